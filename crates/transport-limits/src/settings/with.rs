//! Builder methods of the limits.

use std::time::Duration;

use transport_core::schema::ValueError;

use super::{ByteRates, Deadlines, Limits, Overflow};
use crate::cidr::IpPrefixes;

/// Defines a builder method for each setter that returns a `Result`.
macro_rules! with {
    ($($(#[$doc:meta])* $with:ident = $set:ident($value:ident: $type:ty);)+) => {
        /// Builder methods. Each one rejects a value out of range.
        ///
        /// # Errors
        /// A sentence that says which values are allowed.
        #[allow(clippy::missing_errors_doc)]
        impl Limits {
            $(
                $(#[$doc])*
                pub fn $with(mut self, $value: $type) -> Result<Self, ValueError> {
                    self.$set($value)?;
                    Ok(self)
                }
            )+
        }
    };
}

with! {
    /// Sets the accepted connections at a time: at least 1.
    with_max_conns = set_max_conns(conns: u64);
    /// Sets the idle time before eviction is allowed: at least 1 s.
    with_evict_after = set_evict_after(after: Duration);
    /// Sets the deadlines.
    with_deadlines = set_deadlines(deadlines: Deadlines);
    /// Sets the largest frame body: 64 KiB to 1 MiB.
    with_max_frame_bytes = set_max_frame_bytes(bytes: u64);
    /// Sets the bytes that one operation moves: 4 KiB to 256 KiB.
    with_chunk_bytes = set_chunk_bytes(bytes: u64);
    /// Sets the frames that wait for a connection's writer: 1 to 65,536.
    with_writer_inbox = set_writer_inbox(frames: u64);
    /// Sets the bytes held for all peers: 256 KiB to 1,024 GiB.
    with_memory_bytes = set_memory_bytes(bytes: u64);
    /// Sets the pending handshakes at a time: at least 1.
    with_max_pending_handshakes = set_max_pending_handshakes(handshakes: u64);
    /// Sets the byte rates.
    with_rates = set_rates(rates: ByteRates);
    /// Sets the connections of one peer at a time; 0 is off.
    with_peer_max_conns = set_peer_max_conns(conns: u64);
    /// Sets the pending handshakes of one peer; 0 is an automatic share.
    with_peer_pending_handshakes = set_peer_pending_handshakes(handshakes: u64);
    /// Sets the IPv4 prefix length that identifies a peer: 8 to 32.
    with_ipv4_prefix = set_ipv4_prefix(bits: u64);
    /// Sets the IPv6 prefix length that identifies a peer: 32 to 128.
    with_ipv6_prefix = set_ipv6_prefix(bits: u64);
}

impl Limits {
    /// Returns the default limits.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the accepts per second of all peers together; 0 is off.
    ///
    /// # Errors
    /// When it is over 2^32 - 1.
    pub fn with_accepts_per_sec(mut self, accepts: u64) -> Result<Self, ValueError> {
        self.set_accept_rates(accepts, self.peer_accepts_per_sec())?;
        Ok(self)
    }

    /// Sets the accepts per second of one peer; 0 is off.
    ///
    /// # Errors
    /// When it is over 2^32 - 1.
    pub fn with_peer_accepts_per_sec(mut self, accepts: u64) -> Result<Self, ValueError> {
        self.set_accept_rates(self.accepts_per_sec(), accepts)?;
        Ok(self)
    }

    /// Sets the treatment of a new connection at the total cap.
    #[must_use]
    pub fn with_overflow(mut self, overflow: Overflow) -> Self {
        self.set_overflow(overflow);
        self
    }

    /// Sets the IP peers that may connect; an empty list allows all.
    #[must_use]
    pub fn with_allowed_peers(mut self, peers: IpPrefixes) -> Self {
        self.set_allowed_peers(peers);
        self
    }

    /// Sets the IP peers that are refused.
    #[must_use]
    pub fn with_denied_peers(mut self, peers: IpPrefixes) -> Self {
        self.set_denied_peers(peers);
        self
    }

    /// Sets whether buffers are wiped and nothing is written to disk.
    #[must_use]
    pub fn with_amnesia(mut self, on: bool) -> Self {
        self.set_amnesia(on);
        self
    }
}

impl Default for Deadlines {
    fn default() -> Self {
        Limits::default().deadlines()
    }
}

/// Defines a builder method for each field.
macro_rules! with_fields {
    ($struct:ident { $($(#[$doc:meta])* $with:ident = $field:ident: $type:ty;)+ }) => {
        /// Builder methods. [`Limits`] checks the range.
        impl $struct {
            $(
                $(#[$doc])*
                #[must_use]
                pub const fn $with(mut self, $field: $type) -> Self {
                    self.$field = $field;
                    self
                }
            )+
        }
    };
}

with_fields! { Deadlines {
    /// Sets the deadline of a read for which data is owed.
    with_read = read: Duration;
    /// Sets the time in which a peer takes a written chunk.
    with_write = write: Duration;
    /// Sets the time without a byte in either direction; zero is off.
    with_idle = idle: Duration;
    /// Sets the same time for dialed connections; `None` is that of `idle`.
    with_dial_idle = dial_idle: Option<Duration>;
    /// Sets the time without a byte once one direction has ended.
    with_half_close = half_close: Duration;
    /// Sets the time from accept to established.
    with_handshake = handshake: Duration;
    /// Sets the time for resolve, connect and handshake of a dial.
    with_dial = dial: Duration;
    /// Sets the maximal lifetime of a connection; zero is off.
    with_lifetime = lifetime: Duration;
}}

with_fields! { ByteRates {
    /// Sets the rate of each connection, in bytes per second.
    ///
    /// It applies to each direction.
    with_per_conn = per_conn: u64;
    /// Sets the rate of each peer, in bytes per second.
    ///
    /// It applies to each direction.
    with_per_peer = per_peer: u64;
    /// Sets the inbound rate of all connections, in bytes per second.
    with_global_ingress = global_ingress: u64;
    /// Sets the outbound rate of all connections, in bytes per second.
    with_global_egress = global_egress: u64;
}}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builder_methods_set_and_reject() {
        let second = Duration::from_secs(1);
        let limits = Limits::new()
            .with_max_conns(7)
            .and_then(|limits| limits.with_deadlines(Deadlines::default().with_idle(second)))
            .and_then(|limits| limits.with_rates(ByteRates::default().with_per_conn(1 << 20)))
            .and_then(|limits| limits.with_accepts_per_sec(5))
            .and_then(|limits| limits.with_peer_accepts_per_sec(3))
            .unwrap()
            .with_overflow(Overflow::Evict);
        assert_eq!((limits.max_conns(), limits.deadlines().idle), (7, second));
        assert_eq!(limits.rates().per_conn, 1 << 20);
        assert_eq!(
            (limits.accepts_per_sec(), limits.peer_accepts_per_sec()),
            (5, 3)
        );
        assert_eq!(limits.overflow(), Overflow::Evict);
        assert!(Limits::new().with_max_conns(0).is_err());
    }
}
