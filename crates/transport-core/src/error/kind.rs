//! The kinds of failures, for callers that match and for logs.

use std::fmt;

use crate::Reason;

/// The kind of a [`TransportError`](crate::TransportError), without its data.
///
/// It compares with its stable text:
///
/// ```
/// use transport_core::{ErrorKind, Op, TransportError};
///
/// let error = TransportError::Timeout { op: Op::Dial };
/// assert_eq!(error.kind(), ErrorKind::Timeout);
/// assert_eq!(error.kind(), "timeout");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A deadline passed.
    Timeout,
    /// A frame or a decompressed body is over its ceiling.
    TooLarge,
    /// A byte rate is spent.
    RateLimited,
    /// Admission refused the connection for this reason.
    Refused(Reason),
    /// A bounded queue is full.
    Busy,
    /// The connection or its transport was cancelled.
    Cancelled,
    /// The connection or queue is closed.
    Closed,
    /// The other leg of the relay failed.
    PeerFailed,
    /// The stream ended inside a frame.
    FrameTruncated,
    /// TLS failed; see [`TlsErrorKind`](crate::TlsErrorKind).
    Tls,
    /// A TLS stream ended without `close_notify`.
    TlsTruncated,
    /// The PROXY header of the connection is invalid.
    Proxy,
    /// A proxy opened no connection; see [`ViaErrorKind`](crate::ViaErrorKind).
    Via,
    /// Tor failed.
    Arti,
    /// Tor has not bootstrapped.
    ArtiBootstrap,
    /// Tor refuses the request permanently.
    ArtiRefused,
    /// An address could not be bound.
    Bind,
    /// A host name did not resolve.
    Resolve,
    /// No address of the target accepted a connection.
    Connect,
    /// The configuration cannot be used.
    Config,
    /// The call does not fit the state of the transport.
    State,
    /// The operation does not exist here, or is not compiled in.
    Unsupported,
    /// Any other I/O failure.
    Io,
}

impl ErrorKind {
    /// Returns the stable text; that of the reason for [`ErrorKind::Refused`].
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::TooLarge => "too_large",
            Self::RateLimited => "rate_limited",
            Self::Refused(reason) => reason.as_str(),
            Self::Busy => "busy",
            Self::Cancelled => "cancelled",
            Self::Closed => "closed",
            Self::PeerFailed => "peer_failed",
            Self::FrameTruncated => "frame_truncated",
            Self::Tls => "tls",
            Self::TlsTruncated => "tls_truncated",
            Self::Proxy => "proxy",
            Self::Via => "via",
            Self::Arti => "arti",
            Self::ArtiBootstrap => "arti_bootstrap",
            Self::ArtiRefused => "arti_refused",
            Self::Bind => "bind",
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Config => "config",
            Self::State => "state",
            Self::Unsupported => "unsupported",
            Self::Io => "io",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PartialEq<&str> for ErrorKind {
    fn eq(&self, text: &&str) -> bool {
        self.as_str() == *text
    }
}
