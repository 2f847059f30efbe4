//! The failure of a relay.

use std::fmt;

use transport_core::TransportError;

use super::{Relayed, Side};

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
