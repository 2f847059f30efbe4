//! The settings of the limits.

mod conflicts;
mod overflow;
mod setters;
mod shared;
mod table;
#[cfg(test)]
mod tests;
mod with;

pub use overflow::Overflow;

use std::sync::Arc;
use std::time::Duration;

use crate::cidr::IpPrefixes;

/// Byte rates in bytes per second; 0 is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ByteRates {
    /// The rate of each connection, in each direction.
    pub per_conn: u64,
    /// The rate of all connections of one peer, in each direction.
    pub per_peer: u64,
    /// The inbound rate of all connections.
    pub global_ingress: u64,
    /// The outbound rate of all connections.
    pub global_egress: u64,
}

/// The deadlines of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deadlines {
    /// Longest read for which the peer owes data.
    pub read: Duration,
    /// Longest time in which the peer accepts one written chunk.
    pub write: Duration,
    /// Longest time without a byte in either direction; zero is off.
    pub idle: Duration,
    /// As `idle`, for dialed connections; `None` is `idle`.
    pub dial_idle: Option<Duration>,
    /// Longest time without a byte after one direction has ended.
    pub half_close: Duration,
    /// Longest time from accept to established.
    pub handshake: Duration,
    /// Longest dial: resolve, connect and handshake together.
    pub dial: Duration,
    /// Longest connection; zero is off.
    pub lifetime: Duration,
}

/// The limits of a transport. Each value is in range.
///
/// [`Limiter::new`](crate::Limiter::new) and
/// [`Section::check`](transport_core::schema::Section::check) check the rules that span several
/// values.
///
/// ```
/// use std::time::Duration;
///
/// use transport_limits::{ByteRates, Deadlines, Limits};
///
/// let limits = Limits::new()
///     .with_max_conns(2048)?
///     .with_peer_max_conns(20)?
///     .with_deadlines(Deadlines::default().with_idle(Duration::from_secs(30)))?
///     .with_rates(ByteRates::default().with_per_conn(1 << 20))?;
/// assert_eq!(limits.max_conns(), 2048);
/// assert!(Limits::new().with_max_conns(0).is_err());
/// # Ok::<(), transport_core::schema::ValueError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    max_conns: u64,
    overflow: Overflow,
    evict_after: Duration,
    allow: Arc<IpPrefixes>,
    deny: Arc<IpPrefixes>,
    deadlines: Deadlines,
    max_frame_bytes: usize,
    chunk_bytes: usize,
    writer_inbox: usize,
    memory_bytes: u64,
    max_pending_handshakes: u64,
    rates: ByteRates,
    accepts_per_sec: u64,
    peer_accepts_per_sec: u64,
    peer_max_conns: u64,
    peer_pending_handshakes: u64,
    ipv4_prefix: u8,
    ipv6_prefix: u8,
    amnesia: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_conns: 1024,
            overflow: Overflow::Refuse,
            evict_after: Duration::from_secs(10),
            allow: Arc::default(),
            deny: Arc::default(),
            deadlines: Deadlines {
                read: Duration::from_secs(5),
                write: Duration::from_secs(5),
                idle: Duration::from_secs(60),
                dial_idle: None,
                half_close: Duration::from_secs(60),
                handshake: Duration::from_secs(10),
                dial: Duration::from_secs(10),
                lifetime: Duration::ZERO,
            },
            max_frame_bytes: 1 << 20,
            chunk_bytes: 64 << 10,
            writer_inbox: 256,
            memory_bytes: 256 << 20,
            max_pending_handshakes: 256,
            rates: ByteRates::default(),
            accepts_per_sec: 0,
            peer_accepts_per_sec: 0,
            peer_max_conns: 0,
            peer_pending_handshakes: 0,
            ipv4_prefix: 32,
            ipv6_prefix: 64,
            amnesia: false,
        }
    }
}

transport_core::accessors! {
    impl Limits {
        /// Accepted connections at a time.
        max_conns: u64;
        /// The treatment of a new connection at [`max_conns`](Self::max_conns).
        overflow, set_overflow: Overflow;
        /// Idle time after which a connection can be evicted.
        evict_after: Duration;
        /// The deadlines of a connection.
        deadlines: Deadlines;
        /// Largest frame body in bytes.
        max_frame_bytes: usize;
        /// Bytes that one operation moves at most where a rate is on.
        chunk_bytes: usize;
        /// Frames that wait for a connection's writer.
        writer_inbox: usize;
        /// Bytes held for all peers together.
        memory_bytes: u64;
        /// Handshakes of accepted connections under way at a time.
        max_pending_handshakes: u64;
        /// The byte rates.
        rates: ByteRates;
        /// Accepts per second of all peers together; 0 is off.
        accepts_per_sec: u64;
        /// Accepts per second of one peer; 0 is off.
        peer_accepts_per_sec: u64;
        /// Connections of one peer at a time; 0 is off.
        peer_max_conns: u64;
        /// Maximum of concurrent handshakes of one peer; 0 is automatic.
        ///
        /// The automatic share is a quarter of
        /// [`max_pending_handshakes`](Self::max_pending_handshakes), no more than are free, and at
        /// least 4.
        peer_pending_handshakes: u64;
        /// Leading bits of an IPv4 address that identify a peer.
        ipv4_prefix: u8;
        /// Leading bits of an IPv6 address that identify a peer.
        ipv6_prefix: u8;
        /// Whether buffers are wiped and nothing is written to disk.
        ///
        /// Wiped before they are freed: read buffers, frames of handlers (with their last clone) and
        /// the remainders of relays. Frames to send belong to the embedder. The read buffers belong
        /// to the threads: from the first [`Limiter`](crate::Limiter) with this setting on, the
        /// process wipes them until it ends.
        amnesia, set_amnesia: bool;
    }
}

impl Limits {
    /// Returns the IP peers that may connect; an empty list allows all.
    #[must_use]
    pub fn allowed_peers(&self) -> &IpPrefixes {
        &self.allow
    }

    /// Returns the IP peers that are refused.
    ///
    /// They are refused even if [`allowed_peers`](Self::allowed_peers) lists them.
    #[must_use]
    pub fn denied_peers(&self) -> &IpPrefixes {
        &self.deny
    }

    pub(crate) const fn shared_allowed_peers(&self) -> &Arc<IpPrefixes> {
        &self.allow
    }

    pub(crate) const fn shared_denied_peers(&self) -> &Arc<IpPrefixes> {
        &self.deny
    }
}
