//! One GET request on a connection of its own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// Returns the body of a 200 response.
///
/// HTTP/1.0, so the body ends with the connection.
pub(crate) fn get(from: SocketAddr, path: &str) -> Result<String, String> {
    let text = exchange(from, path).map_err(|e| format!("{path}: {e}"))?;
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let first = head.lines().next().unwrap_or_default();
    if first.split(' ').nth(1) == Some("200") {
        return Ok(body.to_owned());
    }
    Err(format!("{path} answers {first}"))
}

pub(crate) fn json(from: SocketAddr, path: &str) -> Result<Value, String> {
    let body = get(from, path)?;
    serde_json::from_str(&body).map_err(|e| format!("{path} is not JSON: {e}"))
}

fn exchange(to: SocketAddr, path: &str) -> std::io::Result<String> {
    const PATIENCE: Duration = Duration::from_secs(10);
    let mut stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.0\r\nhost: {to}\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}
