//! Why TLS failed, as a value that a caller can match.

use std::fmt;

/// The cause of a [`TransportError::Tls`](crate::TransportError::Tls).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsErrorKind {
    /// A certificate of the peer's chain has expired.
    Expired,
    /// A certificate of the peer's chain is not valid yet.
    NotYetValid,
    /// The peer's chain does not lead to a trusted authority.
    UnknownCa,
    /// The server's certificate is for another name than the target's.
    WrongName,
    /// The peer's certificate is for another purpose (extended key usage).
    WrongPurpose,
    /// A name of the chain violates the name constraints of an authority.
    NameConstraint,
    /// No subject alternative name of the peer is on the allow-list.
    NameNotAllowed,
    /// No public key of the verified chain is pinned.
    PinMismatch,
    /// The peer presented no certificate, and one is required.
    NoCertificate,
    /// The peer's certificate was refused for another cause.
    BadCertificate,
    /// The peer does not speak TLS 1.3.
    NoCommonVersion,
    /// No key exchange group in common.
    NoCommonGroup,
    /// No application protocol (ALPN) in common.
    NoCommonAlpn,
    /// The peer spoke HTTP on a TLS connection.
    PlainHttp,
    /// The peer spoke another protocol than TLS.
    NotTls,
    /// The peer ended the handshake with this alert (RFC 8446 §6).
    Alert(u8),
    /// Any other failure, local files included.
    Other,
}

impl TlsErrorKind {
    /// The stable text; every alert has the same one.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::UnknownCa => "unknown_ca",
            Self::WrongName => "wrong_name",
            Self::WrongPurpose => "wrong_purpose",
            Self::NameConstraint => "name_constraint",
            Self::NameNotAllowed => "name_not_allowed",
            Self::PinMismatch => "pin_mismatch",
            Self::NoCertificate => "no_certificate",
            Self::BadCertificate => "bad_certificate",
            Self::NoCommonVersion => "no_common_version",
            Self::NoCommonGroup => "no_common_group",
            Self::NoCommonAlpn => "no_common_alpn",
            Self::PlainHttp => "plain_http",
            Self::NotTls => "not_tls",
            Self::Alert(_) => "alert",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for TlsErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alert(number) => write!(f, "alert {number}"),
            kind => f.write_str(kind.as_str()),
        }
    }
}
