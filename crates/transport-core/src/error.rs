//! The error type, with its stable kinds.
//!
//! The error of a rejection carries a reason.

mod kind;
mod op;
mod tls;
mod via;

use std::convert::Infallible;
use std::fmt;
use std::io;

pub use kind::ErrorKind;
pub use op::Op;
pub use tls::TlsErrorKind;
pub use via::ViaErrorKind;

use crate::escape::escape;
use crate::{CloseReason, Reason, Scope};

/// Any error, as the source of another.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A failure of a transport.
#[derive(Debug)]
#[non_exhaustive]
pub enum TransportError {
    /// A deadline passed.
    Timeout {
        /// The operation.
        op: Op,
    },
    /// A frame or a decompressed body is over the ceiling.
    TooLarge {
        /// Announced or decompressed bytes.
        len: u64,
        /// The ceiling in bytes.
        max: u64,
    },
    /// A byte rate is exhausted.
    ///
    /// The call does not wait for tokens.
    RateLimited {
        /// The scope of the rate.
        scope: Scope,
    },
    /// Admission refused the connection.
    Refused {
        /// The reason.
        reason: Reason,
    },
    /// A bounded queue is full.
    Busy,
    /// The connection or its transport was cancelled.
    Cancelled,
    /// The other side closed the queue or connection.
    ///
    /// A handshake returns it if the peer ends the connection before its first byte, as health
    /// checks do. It is not a rejection.
    Closed,
    /// The other leg of the relay failed, so this one was aborted.
    PeerFailed,
    /// The stream ended in the middle of a frame.
    FrameTruncated,
    /// TLS failed.
    Tls {
        /// The kind of the failure.
        kind: TlsErrorKind,
        /// The failure.
        source: BoxError,
    },
    /// A TLS stream ended without `close_notify`.
    TlsTruncated,
    /// The PROXY header of the connection is invalid.
    Proxy {
        /// The failure.
        source: BoxError,
    },
    /// The proxy of `dial.via` opened no connection to the target.
    Via {
        /// The kind of the failure.
        kind: ViaErrorKind,
        /// The failure.
        source: BoxError,
    },
    /// Tor failed.
    Arti {
        /// The failure.
        source: BoxError,
    },
    /// Tor has not bootstrapped, or has lost the network.
    ArtiBootstrap,
    /// Tor refuses the request permanently.
    ArtiRefused {
        /// The failure.
        source: BoxError,
    },
    /// An address could not be bound.
    Bind {
        /// The address.
        addr: String,
        /// The failure.
        source: io::Error,
    },
    /// A host name did not resolve.
    Resolve {
        /// The name.
        host: String,
        /// The failure.
        source: io::Error,
    },
    /// No address of the target accepted a connection.
    Connect {
        /// The target.
        target: String,
        /// The failure of the last attempt.
        source: io::Error,
    },
    /// The configuration cannot be used.
    Config {
        /// The failure.
        source: BoxError,
    },
    /// The call does not fit the state of the transport.
    ///
    /// An example is a second `listen`.
    State {
        /// The state, and the call that it excludes.
        what: &'static str,
    },
    /// The operation is not supported here, or not compiled in.
    Unsupported {
        /// The operation.
        what: String,
    },
    /// Any other I/O failure.
    Io(io::Error),
}

impl TransportError {
    /// Returns the kind of the failure.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Timeout { .. } => ErrorKind::Timeout,
            Self::TooLarge { .. } => ErrorKind::TooLarge,
            Self::RateLimited { .. } => ErrorKind::RateLimited,
            Self::Refused { reason } => ErrorKind::Refused(*reason),
            Self::Busy => ErrorKind::Busy,
            Self::Cancelled => ErrorKind::Cancelled,
            Self::Closed => ErrorKind::Closed,
            Self::PeerFailed => ErrorKind::PeerFailed,
            Self::FrameTruncated => ErrorKind::FrameTruncated,
            Self::Tls { .. } => ErrorKind::Tls,
            Self::TlsTruncated => ErrorKind::TlsTruncated,
            Self::Proxy { .. } => ErrorKind::Proxy,
            Self::Via { .. } => ErrorKind::Via,
            Self::Arti { .. } => ErrorKind::Arti,
            Self::ArtiBootstrap => ErrorKind::ArtiBootstrap,
            Self::ArtiRefused { .. } => ErrorKind::ArtiRefused,
            Self::Bind { .. } => ErrorKind::Bind,
            Self::Resolve { .. } => ErrorKind::Resolve,
            Self::Connect { .. } => ErrorKind::Connect,
            Self::Config { .. } => ErrorKind::Config,
            Self::State { .. } => ErrorKind::State,
            Self::Unsupported { .. } => ErrorKind::Unsupported,
            Self::Io(_) => ErrorKind::Io,
        }
    }

    /// Returns the kind of a TLS failure; `None` for other failures.
    #[must_use]
    pub const fn tls_kind(&self) -> Option<TlsErrorKind> {
        match self {
            Self::Tls { kind, .. } => Some(*kind),
            _ => None,
        }
    }

    /// Returns the kind of a proxy's failure; `None` for other failures.
    #[must_use]
    pub const fn via_kind(&self) -> Option<ViaErrorKind> {
        match self {
            Self::Via { kind, .. } => Some(*kind),
            _ => None,
        }
    }

    /// Returns the reason if the failure is a rejection.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::Timeout {
                op: Op::Idle | Op::Lifetime | Op::HalfClose,
            } => None,
            Self::Timeout { .. } => Some(Reason::Timeout),
            Self::TooLarge { .. } => Some(Reason::TooLarge),
            Self::RateLimited { .. } => Some(Reason::RateLimited),
            Self::Refused { reason } => Some(*reason),
            Self::Busy => Some(Reason::Busy),
            Self::Tls { .. } => Some(Reason::Tls),
            Self::Proxy { .. } => Some(Reason::Proxy),
            Self::ArtiBootstrap => Some(Reason::ArtiBootstrap),
            Self::Connect { source, .. } | Self::Resolve { source, .. } | Self::Io(source)
                if is_out_of_descriptors(source) =>
            {
                Some(Reason::ConnLimit)
            }
            _ => None,
        }
    }

    /// Returns whether the same call may succeed later.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Timeout {
                op: Op::Dial | Op::Handshake,
            }
            | Self::RateLimited { .. }
            | Self::Busy
            | Self::Resolve { .. }
            | Self::Connect { .. }
            | Self::Via {
                kind: ViaErrorKind::Refused | ViaErrorKind::Ended,
                ..
            }
            | Self::Arti { .. }
            | Self::ArtiBootstrap => true,
            Self::Refused { reason } => !matches!(
                reason,
                Reason::UidDenied | Reason::Draining | Reason::Denied | Reason::Proxy
            ),
            _ => false,
        }
    }

    /// Returns how the failure ends a connection.
    #[must_use]
    pub fn close_reason(&self) -> CloseReason {
        match self {
            Self::Timeout { op: Op::Idle } => CloseReason::Idle,
            Self::Timeout { op: Op::Lifetime } => CloseReason::Lifetime,
            Self::Timeout { op: Op::HalfClose } => CloseReason::HalfClose,
            Self::Timeout { .. } => CloseReason::Timeout,
            Self::Cancelled => CloseReason::Cancelled,
            Self::PeerFailed => CloseReason::PeerFailed,
            Self::TlsTruncated => CloseReason::Truncated,
            Self::Closed => CloseReason::Eof,
            Self::Io(e) if is_reset(e.kind()) => CloseReason::Reset,
            _ => CloseReason::Error,
        }
    }

    /// Returns the transport error inside an [`io::Error`] of one of its streams.
    #[must_use]
    pub fn find(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

/// Returns whether the process or system has no free descriptor.
///
/// `EMFILE` and `ENFILE` on Linux and the BSDs.
fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(23 | 24))
}

fn is_reset(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset)
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout { op } => write!(f, "{op} deadline passed"),
            Self::TooLarge { len, max } => write!(f, "{len} bytes are over the ceiling of {max}"),
            Self::RateLimited { scope } => {
                write!(f, "the {} byte rate is spent", scope.as_str())
            }
            Self::Refused {
                reason: Reason::UidDenied,
            } => f.write_str("uds peer not permitted"),
            Self::Refused { reason } => write!(f, "refused: {reason}"),
            Self::Busy => f.write_str("the queue is full"),
            Self::Cancelled => f.write_str("cancelled"),
            Self::Closed => f.write_str("the connection is closed"),
            Self::PeerFailed => f.write_str("the other leg of the relay failed"),
            Self::FrameTruncated => f.write_str("the stream ended inside a frame"),
            Self::Tls { source, .. } => write!(f, "tls: {source}"),
            Self::TlsTruncated => f.write_str("the TLS stream was cut without close_notify"),
            Self::Proxy { source } => write!(f, "proxy header: {source}"),
            Self::Via { source, .. } => write!(f, "dial.via: {source}"),
            Self::Arti { source } | Self::ArtiRefused { source } => write!(f, "tor: {source}"),
            Self::ArtiBootstrap => f.write_str("tor: not bootstrapped"),
            Self::Bind { addr, source } => {
                write!(f, "cannot bind {}: {source}", escape(addr).whole())
            }
            Self::Resolve { host, source } => {
                write!(f, "cannot resolve {}: {source}", escape(host))
            }
            Self::Connect { target, source } => {
                write!(f, "cannot connect to {}: {source}", escape(target))
            }
            Self::Config { source } => write!(f, "{source}"),
            Self::State { what } => f.write_str(what),
            Self::Unsupported { what } => write!(f, "not supported: {what}"),
            Self::Io(e) => write!(f, "{e}"),
        }
    }
}

impl std::error::Error for TransportError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Tls { source, .. }
            | Self::Proxy { source }
            | Self::Via { source, .. }
            | Self::Arti { source }
            | Self::ArtiRefused { source }
            | Self::Config { source } => Some(source.as_ref()),
            Self::Bind { source, .. }
            | Self::Resolve { source, .. }
            | Self::Connect { source, .. } => Some(source),
            Self::Io(e) => Some(e),
            _ => None,
        }
    }
}

impl From<TransportError> for io::Error {
    fn from(error: TransportError) -> Self {
        let kind = match &error {
            TransportError::Timeout { .. } => io::ErrorKind::TimedOut,
            TransportError::TooLarge { .. } => io::ErrorKind::InvalidData,
            TransportError::RateLimited { .. } | TransportError::Busy => io::ErrorKind::WouldBlock,
            TransportError::Cancelled | TransportError::PeerFailed => {
                io::ErrorKind::ConnectionAborted
            }
            TransportError::Closed => io::ErrorKind::BrokenPipe,
            TransportError::TlsTruncated | TransportError::FrameTruncated => {
                io::ErrorKind::UnexpectedEof
            }
            _ => io::ErrorKind::Other,
        };
        match error {
            TransportError::Io(error) => error,
            error => Self::new(kind, error),
        }
    }
}

impl From<io::Error> for TransportError {
    /// Extracts a transport error from an [`io::Error`], or wraps another error.
    fn from(error: io::Error) -> Self {
        if Self::find(&error).is_none() {
            return Self::Io(error);
        }
        match error
            .into_inner()
            .map(<dyn std::error::Error + Send + Sync>::downcast::<Self>)
        {
            Some(Ok(inner)) => *inner,
            _ => Self::Closed,
        }
    }
}

impl From<Infallible> for TransportError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

#[cfg(test)]
mod tests;
