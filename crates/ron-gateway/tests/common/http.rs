//! One HTTP request on a connection of its own.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;

/// An answer.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// Status line and headers, in lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

/// Sends a request and reads the response to EOF.
pub(crate) fn request(to: SocketAddr, method: &str, path: &str, headers: &str) -> Response {
    let host = "host: localhost\r\nconnection: close\r\n";
    let request = format!("{method} {path} HTTP/1.1\r\n{host}{headers}\r\n");
    exchange(&mut super::connect(to), &request)
}

/// Sends bytes and reads the answer to the end of the connection.
pub(crate) fn exchange(stream: &mut (impl Read + Write), request: &str) -> Response {
    // A server that refuses early resets unread input, but its response has arrived.
    let _ = stream.write_all(request.as_bytes());
    let mut bytes = Vec::new();
    if let Err(error) = stream.read_to_end(&mut bytes) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no answer to {request}: {text:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Response {
        status,
        head: head.to_ascii_lowercase() + "\r\n",
        body: body.to_owned(),
    }
}
