//! The per-peer table: connections, pending handshakes and buckets of each peer.
//!
//! Sans-IO: time is passed in, and the caller holds the lock.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use transport_core::{PeerAddr, Reason};

use crate::bucket::{Rate, TokenBucket};
use crate::shared_bucket::SharedBucket;
use crate::sync::{AtomicU64, Ordering};

/// Most entries kept for peers without a connection.
///
/// An entry stays until its buckets are full again. Over this number the oldest is removed, so that a
/// flood of peers cannot grow memory (about 200 bytes each).
const MAX_LINGERING: usize = 16_384;

/// Every peer may have this many pending handshakes.
const MIN_PENDING: u64 = 4;

/// The identity of a peer: connections with equal keys count together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PeerKey {
    /// An IPv4 network, also for v4-mapped addresses; later bits are 0.
    V4([u8; 4]),
    /// An IPv6 network; bits after the prefix are 0.
    V6([u8; 16]),
    /// The uid of the peer of a Unix socket.
    Uid(u32),
    /// A Tor rendezvous circuit.
    Circuit(u64),
    /// A peer of a custom backend.
    Other(u64),
}

impl PeerKey {
    /// Returns the key of an address, with the prefix lengths in bits.
    #[must_use]
    pub fn new(peer: PeerAddr, ipv4_prefix: u8, ipv6_prefix: u8) -> Self {
        match peer {
            PeerAddr::Ip(addr) => match addr.ip().to_canonical() {
                IpAddr::V4(ip) => {
                    let shift = 32 - u32::from(ipv4_prefix.min(32));
                    let mask = u32::MAX.checked_shl(shift).unwrap_or(0);
                    Self::V4((u32::from(ip) & mask).to_be_bytes())
                }
                IpAddr::V6(ip) => {
                    let shift = 128 - u32::from(ipv6_prefix.min(128));
                    let mask = u128::MAX.checked_shl(shift).unwrap_or(0);
                    Self::V6((u128::from(ip) & mask).to_be_bytes())
                }
            },
            PeerAddr::Uid(uid) => Self::Uid(uid),
            PeerAddr::Circuit(circuit) => Self::Circuit(circuit),
            PeerAddr::Other(number) => Self::Other(number),
            _ => Self::Other(u64::MAX),
        }
    }
}

/// State that all connections of one peer share.
#[derive(Debug)]
pub(crate) struct PeerState {
    key: PeerKey,
    /// Bytes in, bytes out: the peer's scope.
    pub(crate) buckets: [SharedBucket; 2],
    accepts: TokenBucket,
    /// Pending handshakes. The count grows only under the lock of the table.
    pending: AtomicU64,
}

impl PeerState {
    fn new(key: PeerKey) -> Self {
        Self {
            key,
            buckets: Default::default(),
            accepts: TokenBucket::default(),
            pending: AtomicU64::new(0),
        }
    }

    pub(crate) const fn key(&self) -> PeerKey {
        self.key
    }

    /// Starts a handshake on an open connection, up to `most` pending ones.
    ///
    /// The caller holds the lock of the table.
    pub(crate) fn pend(&self, most: u64) -> bool {
        let next = |pending: u64| (pending < most).then_some(pending + 1);
        let pending = &self.pending;
        pending
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
            .is_ok()
    }

    /// Ends a pending handshake of this peer.
    pub(crate) fn established(&self) {
        self.pending.fetch_sub(1, Ordering::Relaxed);
    }

    fn full_at(&self) -> u64 {
        let [inbound, outbound] = &self.buckets;
        let (inbound, outbound) = (&inbound.bucket, &outbound.bucket);
        inbound
            .full_at()
            .max(outbound.full_at())
            .max(self.accepts.full_at())
    }
}

#[derive(Debug)]
struct PeerEntry {
    peer: Arc<PeerState>,
    conns: usize,
    /// Whether the key is in `lingering`.
    lingers: bool,
}

impl PeerEntry {
    fn new(key: PeerKey) -> Self {
        Self {
            peer: Arc::new(PeerState::new(key)),
            conns: 0,
            lingers: false,
        }
    }

    /// Checks the caps for one more connection. It takes a token of the accept rate.
    fn check(&self, now: u64, caps: PeerCaps) -> Result<(), Reason> {
        if caps.max_conns != 0 && self.conns as u64 >= caps.max_conns {
            return Err(Reason::PeerLimit);
        }
        let accepts = &self.peer.accepts;
        let token = match caps.accepts.map(|rate| accepts.take(now, rate, 1, 1)) {
            Some(Err(_)) => return Err(Reason::RateLimited),
            Some(Ok(token)) => Some(token),
            None => None,
        };
        if self.peer.pending.load(Ordering::Relaxed) < caps.pending {
            return Ok(());
        }
        if let Some(token) = token {
            accepts.settle(token, 0);
        }
        Err(Reason::HandshakeLimit)
    }
}

/// The limits of one peer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PeerCaps {
    /// 0 is off.
    pub(crate) max_conns: u64,
    pub(crate) accepts: Option<Rate>,
    /// Pending handshakes.
    pub(crate) pending: u64,
}

/// Returns the most pending handshakes of one peer.
///
/// That is a quarter of all places, no more than are free, and at least 4.
pub(crate) fn pending_share(places: u64, free: u64) -> u64 {
    (places / 4).min(free).max(MIN_PENDING)
}

/// The table of peers.
#[derive(Debug, Default)]
pub(crate) struct PeerTable {
    entries: HashMap<PeerKey, PeerEntry>,
    /// Peers whose buckets were not full when their last connection ended.
    lingering: VecDeque<PeerKey>,
    /// The number of peers with exactly as many connections as the index.
    ///
    /// The maximum moves by one at a time, so it is known without a scan.
    by_conns: Vec<usize>,
    max_conns: usize,
}

impl PeerTable {
    /// Adds a connection, whose handshake is pending until [`PeerState::established`].
    ///
    /// # Errors
    /// [`Reason::PeerLimit`] at the peer's cap, [`Reason::RateLimited`] over its accept rate,
    /// [`Reason::HandshakeLimit`] with its most pending handshakes.
    pub(crate) fn enter(
        &mut self,
        key: PeerKey,
        now: u64,
        caps: PeerCaps,
    ) -> Result<Arc<PeerState>, Reason> {
        self.sweep(now);
        let entry = self.entries.entry(key);
        let entry = entry.or_insert_with(|| PeerEntry::new(key));
        if let Err(reason) = entry.check(now, caps) {
            if entry.conns == 0 && !entry.lingers {
                self.entries.remove(&key);
            }
            return Err(reason);
        }
        entry.peer.pending.fetch_add(1, Ordering::Relaxed);
        entry.conns += 1;
        let (conns, peer) = (entry.conns, Arc::clone(&entry.peer));
        self.shift(conns - 1, conns);
        Ok(peer)
    }

    /// Removes a connection of this peer.
    pub(crate) fn leave(&mut self, key: PeerKey, now: u64) {
        let Some(entry) = self.entries.get_mut(&key) else {
            return;
        };
        entry.conns -= 1;
        let conns = entry.conns;
        let done = conns == 0 && entry.peer.full_at() <= now && !entry.lingers;
        if conns == 0 && !done && !entry.lingers {
            entry.lingers = true;
            self.lingering.push_back(key);
        }
        if done {
            self.entries.remove(&key);
        }
        self.shift(conns + 1, conns);
        self.sweep(now);
    }

    /// Returns the number of entries.
    pub(crate) fn tracked(&self) -> usize {
        self.entries.len()
    }

    /// Returns the connections of the peer with the most.
    pub(crate) const fn max_conns(&self) -> usize {
        self.max_conns
    }

    /// Returns the number of peers with `conns` connections or more.
    ///
    /// 0 counts as 1.
    pub(crate) fn with_at_least(&self, conns: usize) -> usize {
        self.by_conns.iter().skip(conns.max(1)).sum()
    }

    /// Returns every tracked peer.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<PeerState>> {
        self.entries.values().map(|entry| &entry.peer)
    }

    /// Checks a few of the lingering entries, oldest first.
    ///
    /// Each call does constant work, and checks more entries than it can have added.
    fn sweep(&mut self, now: u64) {
        let over = self.lingering.len() > MAX_LINGERING;
        for _ in 0..2 {
            let Some(key) = self.lingering.pop_front() else {
                return;
            };
            let Some(entry) = self.entries.get_mut(&key) else {
                continue;
            };
            let idle = entry.conns == 0;
            if idle && (over || entry.peer.full_at() <= now) {
                self.entries.remove(&key);
            } else if idle {
                self.lingering.push_back(key);
            } else {
                entry.lingers = false;
            }
        }
    }

    fn shift(&mut self, from: usize, to: usize) {
        if self.by_conns.len() <= from.max(to) {
            self.by_conns.resize(from.max(to) + 1, 0);
        }
        if from > 0 {
            self.by_conns[from] -= 1;
        }
        if to > 0 {
            self.by_conns[to] += 1;
        }
        let emptied = from == self.max_conns && self.by_conns[from] == 0;
        if to > self.max_conns || emptied {
            self.max_conns = to;
        }
    }
}

#[cfg(test)]
mod model;

#[cfg(test)]
mod tests;
