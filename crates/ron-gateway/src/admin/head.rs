//! The head of a request, read within bounds and parsed by `httparse`.
//!
//! One request without body is read from a connection. Bytes after the head are never parsed, so
//! that no second request can be smuggled in them.

use tokio::io::{AsyncRead, AsyncReadExt};

use super::response::{Response, StatusCode};

/// Largest head, in bytes.
const MAX_BYTES: usize = 16 * 1024;
/// Largest number of header fields.
const MAX_FIELDS: usize = 64;

/// A request without its body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RequestHead {
    pub(super) method: String,
    pub(super) path: String,
    /// The query after `?`, or empty.
    pub(super) query: String,
    /// Hosts in `Host` and in a target of absolute form.
    pub(super) hosts: Vec<String>,
    pub(super) has_body: bool,
}

/// The cause of a missing head.
#[derive(Debug)]
pub(super) enum HeadError {
    /// The client closed or reset the connection.
    Gone,
    /// The request is rejected with this response.
    Wrong(Response),
}

fn wrong(status: StatusCode, text: &'static str) -> HeadError {
    HeadError::Wrong(Response::text(status, text))
}

/// Reads the head of a request.
///
/// The caller applies a deadline to the whole head.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<RequestHead, HeadError> {
    let mut bytes = Vec::with_capacity(1024);
    let mut total = 0;
    loop {
        let from = bytes.len().saturating_sub(3);
        match stream.read_buf(&mut bytes).await {
            Ok(read @ 1..) => total += read,
            Ok(0) | Err(_) => return Err(HeadError::Gone),
        }
        // Empty lines before a request are allowed (RFC 9112 §2.2).
        let blank = bytes.iter().take_while(|byte| b"\r\n".contains(byte));
        let blank = blank.count();
        if blank > 0 {
            bytes.drain(..blank);
        }
        let from = if blank > 0 { 0 } else { from };
        if bytes[from..].windows(2).any(|two| two == b"\n\n")
            || bytes[from..].windows(3).any(|three| three == b"\n\r\n")
        {
            return parse(&bytes);
        }
        if total >= MAX_BYTES {
            let text = "the request head exceeds 16 KiB\n";
            return Err(wrong(StatusCode::TOO_LARGE, text));
        }
    }
}

fn parse(bytes: &[u8]) -> Result<RequestHead, HeadError> {
    const NOT_HTTP: &str = "not an HTTP/1 request\n";
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => {
            let text = "the request head exceeds 64 header fields\n";
            return Err(wrong(StatusCode::TOO_LARGE, text));
        }
        Err(httparse::Error::Version) if is_http(bytes) => {
            return Err(wrong(
                StatusCode::VERSION,
                "HTTP version not supported; use HTTP/1.0 or HTTP/1.1\n",
            ));
        }
        Ok(httparse::Status::Partial) | Err(_) => {
            return Err(wrong(StatusCode::BAD_REQUEST, NOT_HTTP));
        }
    }
    let is_named = |field: &&httparse::Header<'_>, name| field.name.eq_ignore_ascii_case(name);
    let all = |name| {
        request
            .headers
            .iter()
            .filter(move |field| is_named(field, name))
    };
    let mut hosts = Vec::new();
    for field in all("host") {
        let value = std::str::from_utf8(field.value);
        let value = value.map_err(|_| wrong(StatusCode::BAD_REQUEST, NOT_HTTP))?;
        hosts.push(value.trim().to_owned());
    }
    // RFC 9112 §3.2. HTTP/1.0 permits a request without Host; no browser sends one.
    if hosts.len() > 1 || hosts.is_empty() && request.version != Some(0) {
        let text = "a request needs exactly one Host field\n";
        return Err(wrong(StatusCode::BAD_REQUEST, text));
    }
    let (authority, path) = split(request.path.unwrap_or_default()).ok_or_else(|| {
        wrong(
            StatusCode::BAD_REQUEST,
            "the request target is not a path\n",
        )
    })?;
    hosts.extend(authority.map(str::to_owned));
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let is_empty = |field: &httparse::Header<'_>| field.value == b"0";
    Ok(RequestHead {
        method: request.method.unwrap_or_default().to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        hosts,
        has_body: all("transfer-encoding").next().is_some() || !all("content-length").all(is_empty),
    })
}

/// Returns whether the request line ends with an HTTP version.
fn is_http(bytes: &[u8]) -> bool {
    let line = bytes.split(|byte| b"\r\n".contains(byte)).next();
    let version = line.and_then(|line| line.rsplit(|byte| *byte == b' ').next());
    version.is_some_and(|version| version.starts_with(b"HTTP/"))
}

/// Splits a request target into authority and path.
///
/// The target has origin form or absolute form (RFC 9112 §3.2).
fn split(target: &str) -> Option<(Option<&str>, &str)> {
    if target.starts_with('/') {
        return Some((None, target));
    }
    let (scheme, rest) = target.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("http") {
        return None;
    }
    let at = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(at);
    Some((Some(authority), if path.is_empty() { "/" } else { path }))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn head(text: &str) -> Result<RequestHead, HeadError> {
        read(&mut text.as_bytes()).await
    }

    async fn status(text: &str) -> u16 {
        match head(text).await {
            Err(HeadError::Wrong(answer)) => answer.status.code(),
            other => panic!("{text:?}: {other:?}"),
        }
    }

    #[tokio::test]
    async fn request_is_parsed_with_its_hosts() {
        let read = head("\r\nGET /a?b=c HTTP/1.1\r\nHost:  x:1 \r\n\r\nGET /d").await;
        let expected = RequestHead {
            method: "GET".into(),
            path: "/a".into(),
            query: "b=c".into(),
            hosts: vec!["x:1".into()],
            has_body: false,
        };
        assert_eq!(read.unwrap(), expected);
        let absolute = "GET http://evil.example/metrics HTTP/1.1\nhost: localhost\n\n";
        let read = head(absolute).await.unwrap();
        assert_eq!(read.hosts, ["localhost", "evil.example"]);
        assert_eq!(read.path, "/metrics");
        let old = head("GET / HTTP/1.0\r\n\r\n").await.unwrap();
        assert_eq!(old.hosts, [""; 0]);
    }

    #[tokio::test]
    async fn body_is_detected() {
        for (field, has_body) in [
            ("content-length: 0", false),
            ("content-length: 1", true),
            ("content-length: +0", true),
            ("content-length: 0\r\ncontent-length: 5", true),
            ("transfer-encoding: chunked", true),
            ("transfer-encoding: identity\r\ncontent-length: 0", true),
        ] {
            let text = format!("POST / HTTP/1.1\r\nhost: a\r\n{field}\r\n\r\n");
            assert_eq!(head(&text).await.unwrap().has_body, has_body, "{field}");
        }
    }

    #[tokio::test]
    async fn malformed_requests_are_rejected() {
        for text in [
            "\u{16}\u{3}\u{1}\n\n",
            "GET /\r\n\r\n",
            "no request at all\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nhost : a\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\n folded\r\n\r\n",
            "GET * HTTP/1.1\r\nhost: a\r\n\r\n",
            "CONNECT a:80 HTTP/1.1\r\nhost: a\r\n\r\n",
            "GET ftp://a/ HTTP/1.1\r\nhost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: \u{e4}\u{0}\r\n\r\n",
        ] {
            assert_eq!(status(text).await, 400, "{text:?}");
        }
        assert_eq!(status("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await, 505);
        assert_eq!(status(&"a".repeat(MAX_BYTES)).await, 431);
        assert_eq!(status(&"\r\n".repeat(MAX_BYTES)).await, 431);
        let many = "a: b\r\n".repeat(MAX_FIELDS);
        let many = format!("GET / HTTP/1.1\r\nhost: a\r\n{many}\r\n");
        assert_eq!(status(&many).await, 431);
        assert!(matches!(head("GET / HT").await, Err(HeadError::Gone)));
    }

    #[tokio::test]
    async fn request_in_single_bytes_is_parsed() {
        let text = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
        let (mut to, mut from) = tokio::io::duplex(1);
        let send = async {
            for byte in text {
                tokio::io::AsyncWriteExt::write_u8(&mut to, *byte)
                    .await
                    .unwrap();
            }
        };
        let (read, ()) = tokio::join!(read(&mut from), send);
        assert_eq!(read.unwrap().hosts, ["a"]);
    }
}
