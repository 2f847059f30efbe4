//! The kinds of TLS failures, for callers that match and for logs.

use std::fmt;

/// The kind of a TLS failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsErrorKind {
    /// Files or settings of TLS cannot be used.
    Config,
    /// A certificate of the peer's chain has expired.
    Expired,
    /// A certificate of the peer's chain is not valid yet.
    NotYetValid,
    /// No trusted authority issued the peer's certificate.
    UnknownCa,
    /// The server's certificate is for another name.
    WrongName,
    /// The peer's certificate is trusted, but on no allow-list.
    NotAllowed,
    /// No pin matches a public key of the peer's verified chain.
    PinMismatch,
    /// A name in the peer's chain violates an authority's name constraints.
    NameConstraint,
    /// The peer's certificate is for another purpose (extended key usage).
    WrongPurpose,
    /// A certificate of the peer's chain is revoked.
    Revoked,
    /// The CRL for the peer's chain has expired (`nextUpdate`).
    CrlExpired,
    /// The CRL for the peer's chain has no valid issuer signature.
    CrlInvalid,
    /// No configured CRL covers a certificate of the peer's chain.
    RevocationUnknown,
    /// The peer's certificate is unusable for another reason.
    BadCertificate,
    /// The peer presented no certificate, and one is required.
    CertificateRequired,
    /// No key exchange group in common.
    NoCommonGroup,
    /// No protocol version in common.
    NoCommonVersion,
    /// No application protocol (ALPN) in common.
    NoCommonAlpn,
    /// The peer sent plain HTTP.
    PlainHttp,
    /// The peer sent neither TLS nor HTTP.
    NotTls,
    /// The peer sent this alert (RFC 8446 §6).
    Alert(u8),
    /// The connection ended or failed during the handshake.
    Ended,
    /// Any other failure.
    Other,
}

impl TlsErrorKind {
    /// One of each kind.
    pub const ALL: [Self; 23] = [
        Self::Config,
        Self::Expired,
        Self::NotYetValid,
        Self::UnknownCa,
        Self::WrongName,
        Self::NotAllowed,
        Self::PinMismatch,
        Self::NameConstraint,
        Self::WrongPurpose,
        Self::Revoked,
        Self::CrlExpired,
        Self::CrlInvalid,
        Self::RevocationUnknown,
        Self::BadCertificate,
        Self::CertificateRequired,
        Self::NoCommonGroup,
        Self::NoCommonVersion,
        Self::NoCommonAlpn,
        Self::PlainHttp,
        Self::NotTls,
        Self::Alert(0),
        Self::Ended,
        Self::Other,
    ];

    /// Returns the stable text, without the number of an alert.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::UnknownCa => "unknown_ca",
            Self::WrongName => "wrong_name",
            Self::NotAllowed => "not_allowed",
            Self::PinMismatch => "pin_mismatch",
            Self::NameConstraint => "name_constraint",
            Self::WrongPurpose => "wrong_purpose",
            Self::Revoked => "revoked",
            Self::CrlExpired => "crl_expired",
            Self::CrlInvalid => "crl_invalid",
            Self::RevocationUnknown => "revocation_unknown",
            Self::BadCertificate => "bad_certificate",
            Self::CertificateRequired => "certificate_required",
            Self::NoCommonGroup => "no_common_group",
            Self::NoCommonVersion => "no_common_version",
            Self::NoCommonAlpn => "no_common_alpn",
            Self::PlainHttp => "plain_http",
            Self::NotTls => "not_tls",
            Self::Alert(_) => "alert",
            Self::Ended => "ended",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for TlsErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
