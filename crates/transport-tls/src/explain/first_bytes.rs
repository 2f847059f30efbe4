//! The protocol that a peer spoke, by its first bytes.

use tokio_rustls::rustls::ProtocolVersion;

use crate::hello::{is_ssl2, legacy_version};

/// Returns whether the bytes are a TLS record's start (RFC 8446 §5.1).
///
/// No bytes count as a start. The content types are change_cipher_spec, alert, handshake and
/// application_data.
pub(super) const fn is_record(first_bytes: &[u8]) -> bool {
    matches!(first_bytes.first(), None | Some(20..=23))
}

/// Returns whether the bytes start an HTTP request or response.
pub(super) fn is_http(first_bytes: &[u8]) -> bool {
    /// Request methods and the start of a status line.
    ///
    /// RFC 9110 §9, RFC 9112 §4, RFC 9113 §3.4.
    const HTTP: [&[u8]; 10] = [
        b"GET ",
        b"HEAD ",
        b"POST ",
        b"PUT ",
        b"DELETE ",
        b"CONNECT ",
        b"OPTIONS ",
        b"PATCH ",
        b"PRI ",
        b"HTTP/",
    ];
    let is_start = |start: &[u8]| {
        let len = start.len().min(first_bytes.len());
        len >= 4 && first_bytes[..len] == start[..len]
    };
    HTTP.into_iter().any(is_start)
}

/// Explains a peer without TLS 1.3, with its highest version if known.
pub(super) fn no_common_version(first_bytes: &[u8]) -> String {
    let text = "no TLS version in common: the peer does not speak TLS 1.3";
    let highest = match legacy_version(first_bytes) {
        Some(ProtocolVersion::SSLv3) => "SSL 3.0",
        Some(ProtocolVersion::TLSv1_0) => "TLS 1.0",
        Some(ProtocolVersion::TLSv1_1) => "TLS 1.1",
        Some(ProtocolVersion::TLSv1_2) => "TLS 1.2",
        _ => return text.to_owned(),
    };
    format!("{text}, but {highest} at most")
}

/// Explains a client that starts with an SSL 2 hello.
///
/// `None` for other clients.
pub(super) fn ssl2(first_bytes: &[u8]) -> Option<String> {
    let text = "no TLS version in common: the peer does not speak TLS 1.3, and started with a \
                hello of SSL 2";
    is_ssl2(first_bytes).then(|| text.to_owned())
}
