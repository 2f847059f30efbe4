//! Reasons of rejections. Append-only: dashboards depend on them.

use std::fmt;

/// The reason of a rejection.
///
/// The label `reason` of `rejected_total`, and `reason=` in reject events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// A dial, handshake, read or write deadline passed.
    Timeout,
    /// A frame, or its decompressed content, is over the ceiling.
    TooLarge,
    /// A byte or accept rate is exhausted.
    RateLimited,
    /// The peer has reached its limit of connections.
    PeerLimit,
    /// A TLS handshake or its configuration failed.
    Tls,
    /// Tor did not bootstrap in time.
    ArtiBootstrap,
    /// The transport has reached its limit of connections.
    ConnLimit,
    /// Too many handshakes are pending.
    HandshakeLimit,
    /// The user id of a Unix socket's peer is not allowed.
    UidDenied,
    /// The transport is shutting down.
    Draining,
    /// A bounded queue is full.
    Busy,
    /// The embedder's dial to its upstream failed.
    Upstream,
    /// The rules for addresses, or the embedder's admission hook, refused the peer.
    Denied,
    /// The process is short of memory and accepts no new connection.
    Overload,
    /// The PROXY header is invalid, or a required one is missing.
    Proxy,
}

impl Reason {
    /// All reasons, in the order of [`Reason::index`].
    pub const ALL: [Self; 15] = [
        Self::Timeout,
        Self::TooLarge,
        Self::RateLimited,
        Self::PeerLimit,
        Self::Tls,
        Self::ArtiBootstrap,
        Self::ConnLimit,
        Self::HandshakeLimit,
        Self::UidDenied,
        Self::Draining,
        Self::Busy,
        Self::Upstream,
        Self::Denied,
        Self::Overload,
        Self::Proxy,
    ];

    /// Returns the stable text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::TooLarge => "too_large",
            Self::RateLimited => "rate_limited",
            Self::PeerLimit => "peer_limit",
            Self::Tls => "tls",
            Self::ArtiBootstrap => "arti_bootstrap",
            Self::ConnLimit => "conn_limit",
            Self::HandshakeLimit => "handshake_limit",
            Self::UidDenied => "uid_denied",
            Self::Draining => "draining",
            Self::Busy => "busy",
            Self::Upstream => "upstream",
            Self::Denied => "denied",
            Self::Overload => "overload",
            Self::Proxy => "proxy",
        }
    }

    /// Returns the position in [`Reason::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn index_matches_all_and_texts_are_unique() {
        for (at, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(reason.index(), at);
            assert!(Reason::ALL[..at]
                .iter()
                .all(|r| r.as_str() != reason.as_str()));
        }
    }
}
