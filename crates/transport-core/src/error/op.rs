//! The operations that have a deadline.

use std::fmt;

/// The operation whose deadline passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Op {
    /// Resolve, connect and handshake of a dial.
    Dial,
    /// Accept to established.
    Handshake,
    /// A read for which the peer owed data.
    Read,
    /// A write and its flush.
    Write,
    /// No byte in either direction.
    Idle,
    /// The connection's whole life.
    Lifetime,
    /// No byte after one direction had ended.
    HalfClose,
    /// Accept to the complete PROXY header.
    ProxyHeader,
}

impl Op {
    /// Returns the stable text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dial => "dial",
            Self::Handshake => "handshake",
            Self::Read => "read",
            Self::Write => "write",
            Self::Idle => "idle",
            Self::Lifetime => "lifetime",
            Self::HalfClose => "half_close",
            Self::ProxyHeader => "proxy_header",
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
