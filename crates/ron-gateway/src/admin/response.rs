//! Responses and their wire format (RFC 9112).

use std::fmt::Write;
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};

const TEXT: &str = "text/plain; charset=utf-8";
/// The content type of JSON.
pub(super) const JSON: &str = "application/json";

/// A status code with its reason phrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StatusCode(u16, &'static str);

impl StatusCode {
    pub(super) const OK: Self = Self(200, "OK");
    pub(super) const BAD_REQUEST: Self = Self(400, "Bad Request");
    pub(super) const FORBIDDEN: Self = Self(403, "Forbidden");
    pub(super) const NOT_FOUND: Self = Self(404, "Not Found");
    pub(super) const NOT_ALLOWED: Self = Self(405, "Method Not Allowed");
    pub(super) const MISDIRECTED: Self = Self(421, "Misdirected Request");
    pub(super) const TOO_LARGE: Self = Self(431, "Request Header Fields Too Large");
    pub(super) const UNAVAILABLE: Self = Self(503, "Service Unavailable");
    pub(super) const VERSION: Self = Self(505, "HTTP Version Not Supported");

    #[cfg(test)]
    pub(super) const fn code(self) -> u16 {
        self.0
    }
}

/// A response to a request.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: StatusCode,
    content_type: &'static str,
    fields: Vec<(&'static str, String)>,
    body: Bytes,
    is_head: bool,
}

impl Response {
    pub(super) fn new(
        status: StatusCode,
        content_type: &'static str,
        body: impl Into<Bytes>,
    ) -> Self {
        Self {
            status,
            content_type,
            fields: Vec::new(),
            body: body.into(),
            is_head: false,
        }
    }

    pub(super) fn text(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self::new(status, TEXT, body)
    }

    pub(super) fn json(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self::new(status, JSON, body)
    }

    /// Adds a header field.
    ///
    /// The value is a constant of this program or a number, without a line break.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    /// Returns the response to HEAD: the length without the body.
    pub(super) fn without_body(mut self) -> Self {
        self.is_head = true;
        self
    }

    /// Returns the bytes on the wire.
    pub(super) fn bytes(&self) -> Bytes {
        let StatusCode(code, phrase) = self.status;
        let mut head = format!("HTTP/1.1 {code} {phrase}\r\n");
        let date = httpdate::fmt_http_date(SystemTime::now());
        let length = self.body.len().to_string();
        let own = [
            ("content-type", self.content_type),
            ("content-length", length.as_str()),
            ("connection", "close"),
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("cross-origin-resource-policy", "same-origin"),
            ("date", date.as_str()),
        ];
        let fields = self.fields.iter();
        for (name, value) in own
            .into_iter()
            .chain(fields.map(|(name, value)| (*name, value.as_str())))
        {
            // Writing to a string does not fail.
            let _ = write!(head, "{name}: {value}\r\n");
        }
        head.push_str("\r\n");
        let mut bytes = BytesMut::from(head.as_bytes());
        if !self.is_head {
            bytes.extend_from_slice(&self.body);
        }
        bytes.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_response_closes_and_forbids_sniffing() {
        let answer = Response::text(StatusCode::NOT_FOUND, "gone\n").with("allow", "GET");
        let text = String::from_utf8(answer.bytes().to_vec()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 404 Not Found\r\n"), "{head}");
        for field in [
            "content-length: 5",
            "connection: close",
            "x-content-type-options: nosniff",
            "allow: GET",
        ] {
            assert!(head.split("\r\n").any(|line| line == field), "{field}");
        }
        assert_eq!(body, "gone\n");
        let text = String::from_utf8(answer.without_body().bytes().to_vec()).unwrap();
        assert!(text.contains("content-length: 5\r\n") && text.ends_with("\r\n\r\n"));
    }
}
