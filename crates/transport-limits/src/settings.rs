//! The settings of every limit: typed, in range by construction, and described as keys.

mod entry;
mod keys;
mod per_peer;
mod with;

pub use entry::Overflow;

use std::sync::Arc;
use std::time::Duration;

use transport_core::schema::{format_duration, format_size, ValueError};

use crate::cidr::IpPrefixes;

/// Bytes: the smallest and the largest `max_frame_bytes`.
const FRAME_RANGE: std::ops::RangeInclusive<u64> = (64 << 10)..=(1 << 20);
/// Bytes: the smallest and the largest `chunk_bytes`.
const CHUNK_RANGE: std::ops::RangeInclusive<u64> = (4 << 10)..=(256 << 10);
/// Bytes: the smallest and the largest `memory_bytes`. Four of the smallest frames, and more than
/// there is.
const MEMORY_RANGE: std::ops::RangeInclusive<u64> = (256 << 10)..=(1 << 40);
/// Largest rate in bytes per second (256 TiB/s): the price of a burst stays far below 64 bits.
pub(crate) const MAX_RATE: u64 = (1 << 48) - 1;
/// `memory_bytes` holds this many of the largest frames at least.
const FRAMES_OF_MEMORY: u64 = 4;
/// Longest duration taken, ten years: far from where clock arithmetic could overflow.
const MAX_DURATION: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Byte rates in bytes per second; 0 is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ByteRates {
    /// Each connection, in each direction.
    pub per_conn: u64,
    /// All connections of one peer together, in each direction.
    pub per_peer: u64,
    /// All connections together, inbound.
    pub global_ingress: u64,
    /// All connections together, outbound.
    pub global_egress: u64,
}

/// The deadlines of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deadlines {
    /// For a read for which data is owed.
    pub read: Duration,
    /// For the peer to take a chunk while a write waits for it.
    pub write: Duration,
    /// Without a byte in either direction; zero is off.
    pub idle: Duration,
    /// Without a byte once one direction has ended.
    pub half_close: Duration,
    /// Accept to established.
    pub handshake: Duration,
    /// Resolve, connect and handshake of a dial.
    pub dial: Duration,
    /// Of the whole connection; zero is off.
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

/// Reads of one field each.
impl Limits {
    /// Accepted connections at a time.
    #[must_use]
    pub const fn max_conns(&self) -> u64 {
        self.max_conns
    }

    /// The deadlines.
    #[must_use]
    pub const fn deadlines(&self) -> Deadlines {
        self.deadlines
    }

    /// Largest frame body in bytes.
    #[must_use]
    pub const fn max_frame_bytes(&self) -> usize {
        self.max_frame_bytes
    }

    /// Bytes moved by one operation at most, where a rate is on.
    #[must_use]
    pub const fn chunk_bytes(&self) -> usize {
        self.chunk_bytes
    }

    /// Frames waiting for a connection's writer.
    #[must_use]
    pub const fn writer_inbox(&self) -> usize {
        self.writer_inbox
    }

    /// Bytes held for all peers together.
    #[must_use]
    pub const fn memory_bytes(&self) -> u64 {
        self.memory_bytes
    }

    /// Accepted connections whose handshake is under way.
    #[must_use]
    pub const fn max_pending_handshakes(&self) -> u64 {
        self.max_pending_handshakes
    }

    /// Byte rates.
    #[must_use]
    pub const fn rates(&self) -> ByteRates {
        self.rates
    }

    /// Accepts per second, all peers together; 0 is off.
    #[must_use]
    pub const fn accepts_per_sec(&self) -> u64 {
        self.accepts_per_sec
    }

    /// Accepts per second of one peer; 0 is off.
    #[must_use]
    pub const fn peer_accepts_per_sec(&self) -> u64 {
        self.peer_accepts_per_sec
    }

    /// Whether buffers are wiped before they are freed, and nothing is written to disk.
    #[must_use]
    pub const fn amnesia(&self) -> bool {
        self.amnesia
    }
}

/// Setters: each refuses what is out of range and leaves the setting as it was.
///
/// # Errors
/// Those that return a `Result`: a sentence that says what is allowed.
#[allow(clippy::missing_errors_doc)]
impl Limits {
    /// Accepted connections at a time: at least 1.
    pub fn set_max_conns(&mut self, n: u64) -> Result<&mut Self, ValueError> {
        self.max_conns = at_least_one(n)?;
        Ok(self)
    }

    /// The deadlines: `idle` zero or at least 1 s, the others but `lifetime` over 0.
    pub fn set_deadlines(&mut self, d: Deadlines) -> Result<&mut Self, ValueError> {
        let Deadlines {
            read,
            write,
            idle,
            half_close,
            handshake,
            dial,
            lifetime,
        } = d;
        let positive = [read, write, half_close, handshake, dial]
            .iter()
            .all(|d| !d.is_zero());
        if !positive {
            return Err(ValueError::new("must be over 0"));
        }
        if !idle.is_zero() && idle < Duration::from_secs(1) {
            return Err(ValueError::new("must be at least 1s"));
        }
        if [read, write, idle, half_close, handshake, dial, lifetime]
            .iter()
            .any(|d| *d > MAX_DURATION)
        {
            return Err(ValueError::new("must be at most ten years"));
        }
        self.deadlines = d;
        Ok(self)
    }

    /// Largest frame body in bytes: 64 KiB to 1 MiB.
    pub fn set_max_frame_bytes(&mut self, bytes: u64) -> Result<&mut Self, ValueError> {
        self.max_frame_bytes = size_within(bytes, FRAME_RANGE)?;
        Ok(self)
    }

    /// Bytes moved by one operation: 4 KiB to 256 KiB.
    pub fn set_chunk_bytes(&mut self, bytes: u64) -> Result<&mut Self, ValueError> {
        self.chunk_bytes = size_within(bytes, CHUNK_RANGE)?;
        Ok(self)
    }

    /// Frames waiting for a connection's writer: 1 to 65,536.
    pub fn set_writer_inbox(&mut self, frames: u64) -> Result<&mut Self, ValueError> {
        let frames = at_least_one(frames)?;
        self.writer_inbox = usize::try_from(frames)
            .ok()
            .filter(|n| *n <= 65_536)
            .ok_or_else(|| ValueError::new("must be at most 65536"))?;
        Ok(self)
    }

    /// Bytes held for all peers together: 256 KiB to 1,024 GiB. A quarter, which one peer may have, must
    /// hold the largest frame; that is checked with the other settings.
    pub fn set_memory_bytes(&mut self, bytes: u64) -> Result<&mut Self, ValueError> {
        size_within(bytes, MEMORY_RANGE)?;
        self.memory_bytes = bytes;
        Ok(self)
    }

    /// Pending handshakes: at least 1.
    pub fn set_max_pending_handshakes(&mut self, n: u64) -> Result<&mut Self, ValueError> {
        self.max_pending_handshakes = at_least_one(n)?;
        Ok(self)
    }

    /// Byte rates: each 0 or at most 2^48 - 1. The lower bound depends on other settings and is
    /// checked with them.
    pub fn set_rates(&mut self, rates: ByteRates) -> Result<&mut Self, ValueError> {
        let ByteRates {
            per_conn,
            per_peer,
            global_ingress,
            global_egress,
        } = rates;
        if [per_conn, per_peer, global_ingress, global_egress]
            .iter()
            .any(|r| *r > MAX_RATE)
        {
            return Err(ValueError::new(
                "must be at most 281474976710655 bytes per second",
            ));
        }
        self.rates = rates;
        Ok(self)
    }

    /// Accepts per second, all peers and one peer; 0 is off.
    pub fn set_accept_rates(&mut self, all: u64, peer: u64) -> Result<&mut Self, ValueError> {
        if all.max(peer) > u64::from(u32::MAX) {
            return Err(ValueError::new("must be at most 4294967295"));
        }
        (self.accepts_per_sec, self.peer_accepts_per_sec) = (all, peer);
        Ok(self)
    }

    /// Whether buffers are wiped before they are freed, and nothing is written to disk: what was
    /// read, frames that were handed out (when their last clone is dropped) and what a relay holds
    /// back. Frames to send are the embedder's own. The read buffers are the threads' and so the
    /// process's: they are wiped for good from the first [`Limiter`](crate::Limiter) on that asks
    /// for it.
    pub fn set_amnesia(&mut self, on: bool) -> &mut Self {
        self.amnesia = on;
        self
    }
}

impl Limits {
    /// The smallest byte rate that lets one chunk through before a read or write deadline,
    /// rounded up.
    #[must_use]
    pub fn min_rate(&self) -> u64 {
        let shortest = self
            .deadlines
            .read
            .min(self.deadlines.write)
            .as_millis()
            .max(1);
        let millis = (self.chunk_bytes as u128) * 1000;
        u64::try_from(millis.div_ceil(shortest)).unwrap_or(u64::MAX)
    }

    /// The first rule across settings that is broken.
    fn broken_rules(&self) -> Vec<(&'static str, ValueError)> {
        let mut broken = Vec::new();
        if self.chunk_bytes > self.max_frame_bytes {
            let max = format_size(self.max_frame_bytes as u64);
            let text = format!("must be at most limits.max_frame_bytes ({max})");
            broken.push(("limits.chunk_bytes", ValueError::new(text)));
        }
        let least = FRAMES_OF_MEMORY * self.max_frame_bytes as u64;
        if self.memory_bytes < least {
            let text = format!(
                "must be at least {} times limits.max_frame_bytes ({}), so that a peer's quarter holds \
                 a frame",
                FRAMES_OF_MEMORY,
                format_size(least),
            );
            broken.push(("limits.memory_bytes", ValueError::new(text)));
        }
        let (min, rates) = (self.min_rate(), self.rates);
        for (path, rate) in [
            ("rates.per_conn_bytes_per_sec", rates.per_conn),
            ("rates.per_peer_bytes_per_sec", rates.per_peer),
            ("rates.global_ingress_bytes_per_sec", rates.global_ingress),
            ("rates.global_egress_bytes_per_sec", rates.global_egress),
        ] {
            if rate != 0 && rate < min {
                let shortest = self.deadlines.read.min(self.deadlines.write);
                broken.push((
                    path,
                    ValueError::new(format!(
                        "must be 0 (off) or at least {min}, so that limits.chunk_bytes ({}) pass \
                         within the shorter of read_timeout and write_timeout ({})",
                        format_size(self.chunk_bytes as u64),
                        format_duration(shortest),
                    )),
                ));
            }
        }
        broken
    }
}

fn at_least_one(n: u64) -> Result<u64, ValueError> {
    if n == 0 {
        return Err(ValueError::new("must be at least 1"));
    }
    Ok(n)
}

fn size_within(bytes: u64, range: std::ops::RangeInclusive<u64>) -> Result<usize, ValueError> {
    let text = || {
        let (low, high) = (format_size(*range.start()), format_size(*range.end()));
        ValueError::new(format!("must be {low} to {high}"))
    };
    if !range.contains(&bytes) {
        return Err(text());
    }
    usize::try_from(bytes).map_err(|_| text())
}
