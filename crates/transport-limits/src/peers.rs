//! The per-peer table: who counts as one peer, and what each peer has in use.
//!
//! Sans-IO: time is passed in, and the caller holds whatever lock it takes.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use transport_core::{PeerAddr, Reason};

use crate::bucket::{Bucket, Rate};
use crate::lane::Lane;

/// Entries kept for peers without a connection, until their buckets are full again. Past it the
/// oldest is forgotten, so that a flood of peers cannot grow memory (about 200 bytes each).
const MAX_LINGERING: usize = 16_384;

/// What makes connections belong to the same peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PeerKey {
    /// An IPv4 address; v4-mapped IPv6 addresses count as these.
    V4([u8; 4]),
    /// An IPv6 address with all but the prefix cleared.
    V6([u8; 16]),
    /// The uid at the other end of a Unix socket.
    Uid(u32),
    /// A rendezvous circuit.
    Circuit(u64),
}

impl PeerKey {
    /// The key of an address, with this many leading bits of an IPv6 address.
    #[must_use]
    pub fn new(peer: PeerAddr, ipv6_prefix: u8) -> Self {
        match peer {
            PeerAddr::Ip(addr) => match addr.ip().to_canonical() {
                IpAddr::V4(ip) => Self::V4(ip.octets()),
                IpAddr::V6(ip) => {
                    let shift = 128 - u32::from(ipv6_prefix.min(128));
                    let mask = u128::MAX.checked_shl(shift).unwrap_or(0);
                    Self::V6((u128::from(ip) & mask).to_be_bytes())
                }
            },
            PeerAddr::Uid(uid) => Self::Uid(uid),
            PeerAddr::Circuit(circuit) => Self::Circuit(circuit),
            _ => Self::Circuit(u64::MAX),
        }
    }
}

/// What all connections of one peer share.
#[derive(Debug, Default)]
pub(crate) struct Peer {
    /// Bytes in, bytes out.
    pub(crate) lanes: [Lane; 2],
    accepts: Bucket,
}

impl Peer {
    fn full_at(&self) -> u64 {
        let [inbound, outbound] = &self.lanes;
        let (inbound, outbound) = (&inbound.bucket, &outbound.bucket);
        inbound
            .full_at()
            .max(outbound.full_at())
            .max(self.accepts.full_at())
    }
}

#[derive(Debug, Default)]
struct Entry {
    peer: Arc<Peer>,
    conns: usize,
    /// Whether the key stands in `lingering`.
    lingers: bool,
}

/// The limits of one peer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PeerCaps {
    /// 0 is off.
    pub(crate) max_conns: u64,
    pub(crate) accepts: Option<Rate>,
}

/// The table.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    entries: HashMap<PeerKey, Entry>,
    /// Peers without a connection whose buckets were not full when the last one ended.
    lingering: VecDeque<PeerKey>,
    /// How many peers have exactly this many connections, by index: the maximum moves by one
    /// at a time, so it is known without a scan.
    by_conns: Vec<usize>,
    max_conns: usize,
}

impl Peers {
    /// Takes a connection of this peer in.
    ///
    /// # Errors
    /// [`Reason::PeerLimit`] at the peer's cap, [`Reason::RateLimited`] over its accept rate.
    pub(crate) fn enter(
        &mut self,
        key: PeerKey,
        now: u64,
        caps: PeerCaps,
    ) -> Result<Arc<Peer>, Reason> {
        self.sweep(now);
        let entry = self.entries.entry(key).or_default();
        if caps.max_conns != 0 && entry.conns as u64 >= caps.max_conns {
            return Err(Reason::PeerLimit);
        }
        if let Some(rate) = caps.accepts {
            if entry.peer.accepts.take(now, rate, 1, 1).is_err() {
                return Err(Reason::RateLimited);
            }
        }
        entry.conns += 1;
        let (conns, peer) = (entry.conns, Arc::clone(&entry.peer));
        self.shift(conns - 1, conns);
        Ok(peer)
    }

    /// Lets a connection of this peer go.
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

    /// Peers with an entry.
    pub(crate) fn tracked(&self) -> usize {
        self.entries.len()
    }

    /// Connections of the peer that has most.
    pub(crate) const fn max_conns(&self) -> usize {
        self.max_conns
    }

    /// Peers with at least this many connections, 0 counting as 1.
    pub(crate) fn with_at_least(&self, conns: usize) -> usize {
        self.by_conns.iter().skip(conns.max(1)).sum()
    }

    /// Every peer that is tracked.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Peer>> {
        self.entries.values().map(|entry| &entry.peer)
    }

    /// Looks at a few of the lingering entries, oldest first: constant work for each call, and
    /// more entries looked at than one call can add.
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
mod tests {
    use super::*;
    use crate::clock::SECOND;

    const OFF: PeerCaps = PeerCaps {
        max_conns: 0,
        accepts: None,
    };

    fn key(n: u32) -> PeerKey {
        PeerKey::Uid(n)
    }

    #[test]
    fn v6_prefixes_and_mapped_addresses_aggregate() {
        let of = |text: &str, prefix| PeerKey::new(PeerAddr::Ip(text.parse().unwrap()), prefix);
        assert_eq!(of("[2001:db8::1]:1", 64), of("[2001:db8::ffff:2]:9", 64));
        assert_ne!(of("[2001:db8:0:1::1]:1", 64), of("[2001:db8:0:2::1]:1", 64));
        assert_ne!(of("[2001:db8::1]:1", 128), of("[2001:db8::2]:1", 128));
        assert_eq!(of("[::ffff:10.0.0.1]:1", 64), of("10.0.0.1:2", 64));
    }

    #[test]
    fn the_maximum_is_known_without_a_scan() {
        let mut peers = Peers::default();
        for _ in 0..3 {
            peers.enter(key(1), 0, OFF).unwrap();
        }
        peers.enter(key(2), 0, OFF).unwrap();
        assert_eq!((peers.tracked(), peers.max_conns()), (2, 3));
        assert_eq!(
            [0, 1, 2, 3, 4].map(|n| peers.with_at_least(n)),
            [2, 2, 1, 1, 0]
        );
        peers.leave(key(1), 0);
        assert_eq!(peers.max_conns(), 2);
        peers.leave(key(1), 0);
        peers.leave(key(1), 0);
        assert_eq!((peers.tracked(), peers.max_conns()), (1, 1));
        peers.leave(key(2), 0);
        assert_eq!((peers.tracked(), peers.max_conns()), (0, 0));
    }

    #[test]
    fn reconnecting_does_not_refill_a_bucket() {
        let caps = PeerCaps {
            max_conns: 0,
            accepts: Rate::events(2),
        };
        let mut peers = Peers::default();
        for _ in 0..2 {
            peers.enter(key(1), 0, caps).unwrap();
            peers.leave(key(1), 0);
        }
        assert_eq!(
            peers.enter(key(1), 0, caps).unwrap_err(),
            Reason::RateLimited
        );
        assert!(peers.enter(key(1), SECOND / 2, caps).is_ok());
        peers.leave(key(1), SECOND / 2);
        for n in 10..20 {
            peers.enter(key(n), 3 * SECOND, OFF).unwrap();
        }
        assert_eq!(peers.tracked(), 10, "the full entry is gone");
    }

    #[test]
    fn a_refused_newcomer_leaves_no_entry_behind_for_good() {
        let caps = PeerCaps {
            max_conns: 1,
            accepts: None,
        };
        let mut peers = Peers::default();
        peers.enter(key(1), 0, caps).unwrap();
        assert_eq!(peers.enter(key(1), 0, caps).unwrap_err(), Reason::PeerLimit);
        peers.leave(key(1), 0);
        assert_eq!(peers.tracked(), 0);
    }

    #[test]
    fn a_flood_of_peers_cannot_grow_the_table() {
        let caps = PeerCaps {
            max_conns: 0,
            accepts: Rate::events(1),
        };
        let mut peers = Peers::default();
        for n in 0..100_000 {
            peers.enter(key(n), 0, caps).unwrap();
            peers.leave(key(n), 0);
        }
        assert!(peers.tracked() <= MAX_LINGERING + 2, "{}", peers.tracked());
    }
}
