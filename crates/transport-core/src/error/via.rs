//! Kinds of failed dials through a proxy.

use std::fmt;

/// The kind of a failed dial through a proxy.
///
/// A proxy that cannot be reached is [`ErrorKind::Connect`](crate::ErrorKind::Connect).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ViaErrorKind {
    /// The proxy reports that it did not connect to the target.
    ///
    /// The name does not resolve, no host answers, or a rule of the proxy excludes the target.
    Refused,
    /// The proxy requires credentials, or rejects those that it got.
    Auth,
    /// The reply of the proxy breaks the protocol, or is too long.
    Malformed,
    /// The proxy ended or reset the connection before its reply was complete.
    Ended,
}

impl ViaErrorKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Refused, Self::Auth, Self::Malformed, Self::Ended];

    /// Returns the stable text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Auth => "auth",
            Self::Malformed => "malformed",
            Self::Ended => "ended",
        }
    }
}

impl fmt::Display for ViaErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
