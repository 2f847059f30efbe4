//! The ways in which a proxy opens no tunnel.

use std::fmt;

use transport_core::ViaErrorKind;

/// Longest head of a CONNECT reply in bytes, interim replies included.
pub const MAX_HEAD_BYTES: usize = 8 << 10;

/// A refused or invalid negotiation with a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TunnelError {
    /// The reply of a SOCKS5 proxy without a connection (RFC 1928).
    SocksReply(u8),
    /// The status of an HTTP proxy without a connection (RFC 9110).
    HttpStatus(u16),
    /// The SOCKS5 proxy accepts none of the offered authentication methods.
    NoMethod {
        /// Whether user name and password were offered.
        with_password: bool,
    },
    /// The SOCKS5 proxy rejected user name and password.
    BadCredentials,
    /// The reply breaks the protocol.
    Malformed(&'static str),
    /// The head of the HTTP reply is over the limit of [`MAX_HEAD_BYTES`].
    TooLarge,
    /// The connection ended inside the negotiation.
    Ended,
}

impl TunnelError {
    /// Returns the kind of the failure.
    #[must_use]
    pub const fn kind(self) -> ViaErrorKind {
        match self {
            Self::NoMethod { .. } | Self::BadCredentials | Self::HttpStatus(407) => {
                ViaErrorKind::Auth
            }
            Self::SocksReply(_) | Self::HttpStatus(_) => ViaErrorKind::Refused,
            Self::Malformed(_) | Self::TooLarge => ViaErrorKind::Malformed,
            Self::Ended => ViaErrorKind::Ended,
        }
    }
}

impl fmt::Display for TunnelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SocksReply(code) => {
                let meaning = match code {
                    1 => "general failure",
                    2 => "not allowed by its rules",
                    3 => "network unreachable",
                    4 => "host unreachable",
                    5 => "connection refused",
                    6 => "time to live expired",
                    7 => "command not supported",
                    8 => "address type not supported",
                    _ => "unassigned code",
                };
                write!(
                    f,
                    "the SOCKS5 proxy did not connect: reply {code}, {meaning}"
                )
            }
            Self::HttpStatus(407) => f.write_str(
                "the HTTP proxy did not connect: status 407; set user name and password that it accepts",
            ),
            Self::HttpStatus(status) => {
                write!(f, "the HTTP proxy did not connect: status {status}")
            }
            Self::NoMethod {
                with_password: false,
            } => f.write_str(
                "the SOCKS5 proxy requires authentication: set a user name and a password",
            ),
            Self::NoMethod {
                with_password: true,
            } => f.write_str(
                "the SOCKS5 proxy accepts no password: only user name and password (RFC 1929) are \
                 supported",
            ),
            Self::BadCredentials => {
                f.write_str("the SOCKS5 proxy rejected the user name and the password")
            }
            Self::Malformed(what) => f.write_str(what),
            Self::TooLarge => write!(
                f,
                "the head of the HTTP proxy's reply is over the limit of {MAX_HEAD_BYTES} bytes"
            ),
            Self::Ended => f.write_str("the proxy ended the connection inside its reply"),
        }
    }
}

impl std::error::Error for TunnelError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_have_kind_and_cause() {
        use ViaErrorKind::{Auth, Ended, Malformed, Refused};
        let password = |with_password| TunnelError::NoMethod { with_password };
        let rows = [
            (TunnelError::SocksReply(1), Refused, "reply 1, general"),
            (TunnelError::SocksReply(2), Refused, "reply 2, not allowed"),
            (TunnelError::SocksReply(3), Refused, "reply 3, network"),
            (TunnelError::SocksReply(4), Refused, "reply 4, host"),
            (TunnelError::SocksReply(5), Refused, "5, connection refused"),
            (TunnelError::SocksReply(6), Refused, "reply 6, time to live"),
            (TunnelError::SocksReply(7), Refused, "reply 7, command"),
            (TunnelError::SocksReply(8), Refused, "reply 8, address type"),
            (TunnelError::SocksReply(9), Refused, "reply 9, unassigned"),
            (TunnelError::HttpStatus(403), Refused, "status 403"),
            (TunnelError::HttpStatus(407), Auth, "set user name"),
            (password(false), Auth, "set a user name and a password"),
            (password(true), Auth, "accepts no password"),
            (TunnelError::BadCredentials, Auth, "rejected the user name"),
            (
                TunnelError::Malformed("not a reply"),
                Malformed,
                "not a reply",
            ),
            (TunnelError::TooLarge, Malformed, "limit of 8192 bytes"),
            (TunnelError::Ended, Ended, "inside its reply"),
        ];
        for (error, kind, part) in rows {
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
