//! Peers that are too old for TLS 1.3, with the version that they have.

use tokio_rustls::rustls::ProtocolVersion as Version;

use crate::hello::{is_ssl2, legacy_version};

/// A peer without TLS 1.3, by the first bytes that it sent.
pub(super) fn no_version(first_bytes: &[u8]) -> String {
    let none = "no TLS version in common: the peer does not speak TLS 1.3";
    let highest = match legacy_version(first_bytes) {
        Some(Version::SSLv3) => "SSL 3.0",
        Some(Version::TLSv1_0) => "TLS 1.0",
        Some(Version::TLSv1_1) => "TLS 1.1",
        Some(Version::TLSv1_2) => "TLS 1.2",
        _ => return none.to_owned(),
    };
    format!("{none}, but {highest} at most")
}

/// A client that begins as clients of before 1996 do; `None` where it is none.
pub(super) fn ssl2(first_bytes: &[u8]) -> Option<String> {
    let text = "no TLS version in common: the peer does not speak TLS 1.3, and began with a hello \
                of SSL 2";
    is_ssl2(first_bytes).then(|| text.to_owned())
}
