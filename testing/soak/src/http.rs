//! Clients of the examples: HTTP/1.1 for axum, gRPC for tonic.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use ron_lab::client::{connect, pattern};

use crate::load::Load;
use crate::sites::Example;

/// The pause between the connections of a client.
const CHURN_EVERY: Duration = Duration::from_millis(250);
const BAD_EVERY: Duration = Duration::from_millis(1000);
/// The preface of HTTP/2 (RFC 9113 §3.4) and an empty SETTINGS frame.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// Runs the clients of one example until the load ends.
pub(crate) fn run(load: &Load, example: &Example) {
    load.again(example.name, CHURN_EVERY, |n| {
        let done = match example.name {
            "axum" => axum(example, n),
            _ => tonic(example, n),
        };
        let bytes = done.map_err(|e| format!("connection {n}: {e}"))?;
        load.count(bytes);
        Ok(())
    });
}

/// Sends bytes that are no request; the example must end the connection.
pub(crate) fn run_bad(load: &Load, example: &Example) {
    load.again(example.name, BAD_EVERY, |n| {
        let bad = || {
            let mut conn = connect(example.addr)?;
            conn.write_all(b"\x16\x03\x01 no request\r\n\r\n")?;
            match conn.read_to_end(&mut Vec::new()) {
                Err(e) if e.kind() != io::ErrorKind::ConnectionReset => Err(e),
                _ => Ok(()),
            }
        };
        load.count_bad();
        bad().map_err(|e| format!("bad connection {n}: {e}"))
    });
}

/// Sends a few requests on one connection; returns the bytes of bodies.
fn axum(example: &Example, n: u64) -> io::Result<usize> {
    let mut conn = connect(example.addr)?;
    let mut total = 0;
    for turn in 0..=n % 4 {
        let size = [0, 100, 20_000, 200_000][usize::try_from((n + turn) % 4).unwrap_or(0)];
        let body: Vec<u8> = pattern(size).iter().map(|byte| byte % 26 + b'a').collect();
        let head = format!("POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: {size}\r\n\r\n");
        conn.write_all(&[head.as_bytes(), &body].concat())?;
        let answer = response(&mut conn)?;
        if answer != body {
            return Err(io::Error::other("the body of the response differs"));
        }
        total += answer.len();
    }
    // Every second connection ends in the middle of a request.
    if n % 2 == 0 {
        conn.write_all(b"GET /sleep/1000 HTTP/1.1\r\nhost: a\r\n\r\n")?;
    }
    Ok(total)
}

/// Reads a response with `content-length`; returns its body.
fn response(conn: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        conn.read_exact(&mut byte)?;
        head.extend(byte);
    }
    let text = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let length = length.and_then(|length| length.trim().parse().ok());
    let is_ok = text.starts_with("http/1.1 200");
    let length: usize = length
        .filter(|_| is_ok)
        .ok_or_else(|| io::Error::other(format!("not a response: {text}")))?;
    let mut body = vec![0; length];
    conn.read_exact(&mut body)?;
    Ok(body)
}

/// Calls `Hello`, and every third time `Count`; returns the bytes of messages.
fn tonic(example: &Example, n: u64) -> io::Result<usize> {
    let mut conn = connect(example.addr)?;
    conn.write_all(PREFACE)?;
    let name = format!("peer{n}");
    let hello = call(&mut conn, 1, "/demo.Greeter/Hello", name.as_bytes())?;
    if !hello.starts_with(format!("hello {name}").as_bytes()) {
        return Err(io::Error::other("the response of Hello differs"));
    }
    if n % 3 == 0 {
        let count = call(&mut conn, 3, "/demo.Greeter/Count", b"5")?;
        if count != b"12345" {
            return Err(io::Error::other("the response of Count differs"));
        }
    }
    // Every second connection ends in the middle of a call.
    if n % 2 == 0 {
        conn.write_all(&request(5, "/demo.Greeter/Count", b"100"))?;
    }
    Ok(hello.len())
}

/// Makes a call; returns its messages without their prefixes.
fn call(conn: &mut TcpStream, stream: u32, path: &str, message: &[u8]) -> io::Result<Vec<u8>> {
    conn.write_all(&request(stream, path, message))?;
    let mut data = Vec::new();
    loop {
        let mut head = [0; 9];
        conn.read_exact(&mut head)?;
        let [a, b, c, kind, flags, id @ ..] = head;
        let mut body = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        conn.read_exact(&mut body)?;
        if u32::from_be_bytes(id) != stream {
            continue;
        }
        match kind {
            DATA => data.extend(body),
            HEADERS => {}
            other => return Err(io::Error::other(format!("frame of kind {other}"))),
        }
        if flags & END_STREAM != 0 {
            return Ok(messages(&data));
        }
    }
}

/// The frames of a request with one message.
fn request(stream: u32, path: &str, message: &[u8]) -> Vec<u8> {
    let mut fields = Vec::new();
    for (name, value) in [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "a"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ] {
        // A literal without indexing or Huffman code (RFC 7541 §6.2.2); lengths are below 127.
        fields.push(0);
        for text in [name, value] {
            fields.push(u8::try_from(text.len()).unwrap_or(0));
            fields.extend(text.as_bytes());
        }
    }
    let length = u32::try_from(message.len()).unwrap_or(0).to_be_bytes();
    let body = [&[0][..], &length, message].concat();
    let mut frames = frame(HEADERS, END_HEADERS, stream, &fields);
    frames.extend(frame(DATA, END_STREAM, stream, &body));
    frames
}

fn frame(kind: u8, flags: u8, stream: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap_or(0).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), body].concat()
}

/// Joins messages that have a prefix of five bytes each.
fn messages(mut data: &[u8]) -> Vec<u8> {
    let mut joined = Vec::new();
    while let [_, a, b, c, d, rest @ ..] = data {
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        let (message, later) = rest.split_at(length.min(rest.len()));
        joined.extend(message);
        data = later;
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_lose_their_prefixes() {
        let data = [&[0, 0, 0, 0, 1][..], b"1", &[0, 0, 0, 0, 2], b"23"].concat();
        assert_eq!(messages(&data), b"123");
        assert_eq!(messages(b""), b"");
    }

    #[test]
    fn frames_have_length_and_stream() {
        let bytes = frame(DATA, END_STREAM, 3, b"abc");
        assert_eq!(bytes, [0, 0, 3, 0, 1, 0, 0, 0, 3, b'a', b'b', b'c']);
    }
}
