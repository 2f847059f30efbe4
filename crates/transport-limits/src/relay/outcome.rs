//! The outcome of a relay or an echo.

use std::fmt;

use transport_core::TransportError;

/// One of the two streams of a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)] // A relay has two sides.
pub enum Side {
    /// The first stream.
    A,
    /// The second stream.
    B,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "a",
            Self::B => "b",
        })
    }
}

/// The bytes that a relay has forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Relayed {
    /// Bytes read from the first and written to the second stream.
    pub a_to_b: u64,
    /// Bytes read from the second and written to the first stream.
    pub b_to_a: u64,
}

/// The failure of a [`relay`](super::relay()) or an [`echo`](super::echo()).
///
/// ```
/// use transport_core::ErrorKind;
/// use transport_limits::{RelayError, Side};
///
/// fn describe(error: &RelayError) -> String {
///     match (error.side, error.error.kind()) {
///         (Side::A, ErrorKind::Timeout) => "the client timed out".to_owned(),
///         (Side::A, _) => format!("the client failed: {}", error.error),
///         (Side::B, _) => format!("the upstream failed: {}", error.error),
///     }
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct RelayError {
    /// The stream that failed; [`Side::A`] for an echo.
    pub side: Side,
    /// The bytes relayed before the failure.
    pub relayed: Relayed,
    /// The failure of that stream.
    pub error: TransportError,
}

impl RelayError {
    pub(super) const fn new(side: Side, relayed: Relayed, error: TransportError) -> Self {
        Self {
            side,
            relayed,
            error,
        }
    }
}

impl fmt::Display for RelayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "side {}: {}", self.side, self.error)
    }
}

impl std::error::Error for RelayError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

impl From<RelayError> for TransportError {
    fn from(error: RelayError) -> Self {
        error.error
    }
}
