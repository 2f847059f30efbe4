//! Setters that validate.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use transport_core::schema::{format_size, ValueError};

use super::{ByteRates, Deadlines, Limits};
use crate::cidr::IpPrefixes;

/// Allowed `max_frame_bytes`.
const FRAME_RANGE: RangeInclusive<u64> = (64 << 10)..=(1 << 20);
/// Allowed `chunk_bytes`.
const CHUNK_RANGE: RangeInclusive<u64> = (4 << 10)..=(256 << 10);
/// Allowed `memory_bytes`.
///
/// From four of the smallest frames to more than any machine has.
const MEMORY_RANGE: RangeInclusive<u64> = (256 << 10)..=(1 << 40);
/// Largest rate in bytes per second: 256 TiB/s.
///
/// The cost of a burst stays far below 64 bits.
const MAX_RATE: u64 = (1 << 48) - 1;
/// Longest duration, ten years: clock arithmetic stays far from an overflow.
const MAX_DURATION: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Setters that validate. A refused value leaves the setting unchanged.
///
/// # Errors
/// A sentence that says what is allowed.
#[allow(clippy::missing_errors_doc)]
impl Limits {
    /// Sets the accepted connections at a time: at least 1.
    pub fn set_max_conns(&mut self, n: u64) -> Result<&mut Self, ValueError> {
        self.max_conns = at_least_one(n)?;
        Ok(self)
    }

    /// Sets the idle time before eviction is allowed: at least 1 s.
    pub fn set_evict_after(&mut self, after: Duration) -> Result<&mut Self, ValueError> {
        self.evict_after = at_most_ten_years(at_least_a_second(after)?)?;
        Ok(self)
    }

    /// Sets the deadlines.
    ///
    /// `idle` and `dial_idle` are zero or at least 1 s; the others, except `lifetime`, are over 0.
    pub fn set_deadlines(&mut self, d: Deadlines) -> Result<&mut Self, ValueError> {
        let positive = [d.read, d.write, d.half_close, d.handshake, d.dial];
        if positive.iter().any(Duration::is_zero) {
            return Err(ValueError::new("must be over 0"));
        }
        let dial_idle = d.dial_idle.unwrap_or(d.idle);
        for idle in [d.idle, dial_idle] {
            if !idle.is_zero() {
                at_least_a_second(idle)?;
            }
        }
        for limit in positive.into_iter().chain([d.idle, dial_idle, d.lifetime]) {
            at_most_ten_years(limit)?;
        }
        self.deadlines = d;
        Ok(self)
    }

    /// Sets the largest frame body in bytes: 64 KiB to 1 MiB.
    pub fn set_max_frame_bytes(&mut self, bytes: u64) -> Result<&mut Self, ValueError> {
        self.max_frame_bytes = size_within(bytes, FRAME_RANGE)?;
        Ok(self)
    }

    /// Sets the bytes that one operation moves: 4 KiB to 256 KiB.
    pub fn set_chunk_bytes(&mut self, bytes: u64) -> Result<&mut Self, ValueError> {
        self.chunk_bytes = size_within(bytes, CHUNK_RANGE)?;
        Ok(self)
    }

    /// Sets the frames that wait for a connection's writer: 1 to 65,536.
    pub fn set_writer_inbox(&mut self, frames: u64) -> Result<&mut Self, ValueError> {
        self.writer_inbox = usize::try_from(at_least_one(frames)?)
            .ok()
            .filter(|n| *n <= 65_536)
            .ok_or_else(|| ValueError::new("must be at most 65536"))?;
        Ok(self)
    }

    /// Sets the bytes held for all peers: 256 KiB to 1,024 GiB.
    ///
    /// One peer may hold a quarter, which must hold the largest frame;
    /// [`Section::check`](transport_core::schema::Section::check) checks that.
    pub fn set_memory_bytes(&mut self, bytes: u64) -> Result<&mut Self, ValueError> {
        size_within(bytes, MEMORY_RANGE)?;
        self.memory_bytes = bytes;
        Ok(self)
    }

    /// Sets the handshakes under way at a time: at least 1.
    pub fn set_max_pending_handshakes(&mut self, n: u64) -> Result<&mut Self, ValueError> {
        self.max_pending_handshakes = at_least_one(n)?;
        Ok(self)
    }

    /// Sets the byte rates: each 0 or at most 2^48 - 1.
    ///
    /// The lower bound, [`min_rate`](Self::min_rate), depends on other settings;
    /// [`Section::check`](transport_core::schema::Section::check) checks it.
    pub fn set_rates(&mut self, rates: ByteRates) -> Result<&mut Self, ValueError> {
        let ByteRates {
            per_conn,
            per_peer,
            global_ingress,
            global_egress,
        } = rates;
        if [per_conn, per_peer, global_ingress, global_egress]
            .iter()
            .any(|rate| *rate > MAX_RATE)
        {
            return Err(ValueError::new(
                "must be at most 281474976710655 bytes per second",
            ));
        }
        self.rates = rates;
        Ok(self)
    }

    /// Sets the accepts per second, in total and per peer.
    ///
    /// 0 is off.
    pub fn set_accept_rates(&mut self, all: u64, peer: u64) -> Result<&mut Self, ValueError> {
        if all.max(peer) > u64::from(u32::MAX) {
            return Err(ValueError::new("must be at most 4294967295"));
        }
        (self.accepts_per_sec, self.peer_accepts_per_sec) = (all, peer);
        Ok(self)
    }

    /// Sets the connections of one peer at a time; 0 is off.
    pub fn set_peer_max_conns(&mut self, n: u64) -> Result<&mut Self, ValueError> {
        self.peer_max_conns = n;
        Ok(self)
    }

    /// Sets the maximum of concurrent handshakes of one peer.
    ///
    /// 0 is an automatic share.
    pub fn set_peer_pending_handshakes(&mut self, n: u64) -> Result<&mut Self, ValueError> {
        self.peer_pending_handshakes = n;
        Ok(self)
    }

    /// Sets the IPv4 prefix length that identifies a peer: 8 to 32.
    pub fn set_ipv4_prefix(&mut self, bits: u64) -> Result<&mut Self, ValueError> {
        self.ipv4_prefix = bits_within(bits, 8..=32)?;
        Ok(self)
    }

    /// Sets the IPv6 prefix length that identifies a peer: 32 to 128.
    pub fn set_ipv6_prefix(&mut self, bits: u64) -> Result<&mut Self, ValueError> {
        self.ipv6_prefix = bits_within(bits, 32..=128)?;
        Ok(self)
    }

    /// Sets the IP peers that may connect; an empty list allows all.
    pub fn set_allowed_peers(&mut self, peers: IpPrefixes) -> &mut Self {
        self.allow = Arc::new(peers);
        self
    }

    /// Sets the IP peers that are refused.
    pub fn set_denied_peers(&mut self, peers: IpPrefixes) -> &mut Self {
        self.deny = Arc::new(peers);
        self
    }
}

fn at_least_one(n: u64) -> Result<u64, ValueError> {
    if n == 0 {
        return Err(ValueError::new("must be at least 1"));
    }
    Ok(n)
}

fn at_least_a_second(limit: Duration) -> Result<Duration, ValueError> {
    if limit < Duration::from_secs(1) {
        return Err(ValueError::new("must be at least 1s"));
    }
    Ok(limit)
}

fn at_most_ten_years(limit: Duration) -> Result<Duration, ValueError> {
    if limit > MAX_DURATION {
        return Err(ValueError::new("must be at most ten years"));
    }
    Ok(limit)
}

fn bits_within(bits: u64, range: RangeInclusive<u8>) -> Result<u8, ValueError> {
    let text = || format!("must be {} to {}", range.start(), range.end());
    u8::try_from(bits)
        .ok()
        .filter(|bits| range.contains(bits))
        .ok_or_else(|| ValueError::new(text()))
}

fn size_within(bytes: u64, range: RangeInclusive<u64>) -> Result<usize, ValueError> {
    let text = || {
        let (low, high) = (format_size(*range.start()), format_size(*range.end()));
        ValueError::new(format!("must be {low} to {high}"))
    };
    if !range.contains(&bytes) {
        return Err(text());
    }
    usize::try_from(bytes).map_err(|_| text())
}
