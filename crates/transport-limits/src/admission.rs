//! The counts and caps that decide whether an accepted connection may stay.
//!
//! `admit` asks them in order, before any work is done for the connection. The address rules are in
//! `admission_rules`, eviction is in `evict`.

use std::sync::{Arc, PoisonError};

use transport_core::{PeerAddr, Reason};

use crate::bucket::{Rate, TokenBucket, TokenGrant};
use crate::clock::ticks;
use crate::count_limit::CountLimit;
use crate::peers::{pending_share, PeerCaps, PeerKey, PeerState, PeerTable};
use crate::settings::{Limits, Overflow};
use crate::sync::{AtomicBool, AtomicU64, Mutex, MutexGuard, Ordering};

/// Most evicted connections that may still be closing, never more than `max_conns`.
///
/// An accept loop takes about half as many connections before other tasks run.
pub(crate) const MAX_SURPLUS: u64 = 256;

#[derive(Debug)]
pub(crate) struct Admission {
    pub(crate) conns: CountLimit,
    /// Evicted connections that are still closing.
    pub(crate) surplus: CountLimit,
    /// Whether a new connection takes the place of an idle one.
    evicts: AtomicBool,
    /// In ticks.
    evict_after: AtomicU64,
    pending: CountLimit,
    accepts: TokenBucket,
    accepts_per_sec: AtomicU64,
    peer_accepts_per_sec: AtomicU64,
    peer_max_conns: AtomicU64,
    /// 0 is the automatic share.
    peer_pending: AtomicU64,
    ipv4_prefix: u8,
    ipv6_prefix: u8,
    peers: Mutex<PeerTable>,
}

impl Admission {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            conns: CountLimit::new(limits.max_conns()),
            surplus: CountLimit::new(MAX_SURPLUS.min(limits.max_conns())),
            evicts: AtomicBool::new(limits.overflow() == Overflow::Evict),
            evict_after: AtomicU64::new(ticks(limits.evict_after())),
            pending: CountLimit::new(limits.max_pending_handshakes()),
            accepts: TokenBucket::default(),
            accepts_per_sec: AtomicU64::new(limits.accepts_per_sec()),
            peer_accepts_per_sec: AtomicU64::new(limits.peer_accepts_per_sec()),
            peer_max_conns: AtomicU64::new(limits.peer_max_conns()),
            peer_pending: AtomicU64::new(limits.peer_pending_handshakes()),
            ipv4_prefix: limits.ipv4_prefix(),
            ipv6_prefix: limits.ipv6_prefix(),
            peers: Mutex::default(),
        }
    }

    pub(crate) fn apply(&self, limits: &Limits) {
        self.conns.set_max(limits.max_conns());
        self.surplus.set_max(MAX_SURPLUS.min(limits.max_conns()));
        let evicts = limits.overflow() == Overflow::Evict;
        self.evicts.store(evicts, Ordering::Relaxed);
        self.set_evict_after(ticks(limits.evict_after()));
        self.pending.set_max(limits.max_pending_handshakes());
        self.accepts_per_sec
            .store(limits.accepts_per_sec(), Ordering::Relaxed);
        self.peer_accepts_per_sec
            .store(limits.peer_accepts_per_sec(), Ordering::Relaxed);
        self.peer_max_conns
            .store(limits.peer_max_conns(), Ordering::Relaxed);
        self.peer_pending
            .store(limits.peer_pending_handshakes(), Ordering::Relaxed);
    }

    /// Locks the peer table for a few map operations.
    pub(crate) fn peers(&self) -> MutexGuard<'_, PeerTable> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn peer_key(&self, peer: PeerAddr) -> PeerKey {
        PeerKey::new(peer, self.ipv4_prefix, self.ipv6_prefix)
    }

    pub(crate) fn evicts(&self) -> bool {
        self.evicts.load(Ordering::Relaxed)
    }

    /// Returns how long a connection must be idle before eviction, in ticks.
    pub(crate) fn evict_after(&self) -> u64 {
        self.evict_after.load(Ordering::Relaxed)
    }

    pub(crate) fn set_evict_after(&self, ticks: u64) {
        self.evict_after.store(ticks, Ordering::Relaxed);
    }

    /// Returns the number of connections admitted and not yet gone.
    pub(crate) fn inside(&self) -> u64 {
        self.conns.inside() + self.surplus.inside()
    }

    /// Returns the number of pending handshakes.
    #[cfg(all(test, ron_loom))]
    pub(crate) fn pending_inside(&self) -> u64 {
        self.pending.inside()
    }

    /// Checks the total cap, then every other limit.
    ///
    /// A refused connection changes nothing but its peer's own buckets: a peer over its own limits
    /// takes no token from the accept rate of all peers.
    pub(crate) fn enter(&self, key: PeerKey, now: u64) -> Result<Arc<PeerState>, Reason> {
        if !self.conns.enter() {
            return Err(Reason::ConnLimit);
        }
        let peer = self.enter_peer(key, now);
        if peer.is_err() {
            self.conns.leave();
        }
        peer
    }

    /// Takes the places of a connection whose peer is unknown.
    ///
    /// They are one in total and one among the pending handshakes.
    /// Returns whether the total one is a surplus place: with eviction, the connection takes another
    /// place once its peer is admitted.
    pub(crate) fn enter_hop(&self) -> Result<bool, Reason> {
        let is_surplus = !self.conns.enter();
        if is_surplus && !(self.evicts() && self.surplus.enter()) {
            return Err(Reason::ConnLimit);
        }
        if self.pending.enter() {
            return Ok(is_surplus);
        }
        if is_surplus {
            self.surplus.leave();
        } else {
            self.conns.leave();
        }
        Err(Reason::HandshakeLimit)
    }

    /// Checks every limit but the total cap.
    ///
    /// The order is: accept rate of all peers, caps and accept rate of the peer, pending handshakes.
    pub(crate) fn enter_peer(&self, key: PeerKey, now: u64) -> Result<Arc<PeerState>, Reason> {
        // Taken first and judged last, so that a peer over its own caps is refused for those.
        let place = self.pending.enter();
        let peer = self.enter_rated(key, now, place);
        if peer.is_err() && place {
            self.pending.leave();
        }
        peer
    }

    /// Checks the same limits for a connection that has its pending place.
    pub(crate) fn enter_pending_peer(
        &self,
        key: PeerKey,
        now: u64,
    ) -> Result<Arc<PeerState>, Reason> {
        self.enter_rated(key, now, true)
    }

    /// Takes a token of the accept rate of all peers.
    pub(crate) fn take_accept(&self, now: u64) -> Result<Option<TokenGrant>, Reason> {
        let rate = Rate::events(self.accepts_per_sec.load(Ordering::Relaxed));
        let taken = rate.map(|rate| self.accepts.take(now, rate, 1, 1));
        taken.transpose().map_err(|_| Reason::RateLimited)
    }

    fn enter_rated(&self, key: PeerKey, now: u64, place: bool) -> Result<Arc<PeerState>, Reason> {
        let token = self.take_accept(now)?;
        let caps = PeerCaps {
            max_conns: self.peer_max_conns.load(Ordering::Relaxed),
            accepts: Rate::events(self.peer_accepts_per_sec.load(Ordering::Relaxed)),
            pending: if place { self.peer_share() } else { 0 },
        };
        let peer = self.peers().enter(key, now, caps);
        if let (Err(_), Some(token)) = (&peer, token) {
            self.accepts.settle(token, 0);
        }
        peer
    }

    /// Undoes [`enter_peer`](Self::enter_peer). The tokens of the accept rates stay spent.
    pub(crate) fn leave_peer(&self, key: PeerKey, peer: &PeerState, now: u64) {
        peer.established();
        self.leave_pending();
        self.peers().leave(key, now);
    }

    /// Takes a place among the pending handshakes for an open connection.
    pub(crate) fn enter_pending(&self, peer: Option<&PeerState>) -> Result<(), Reason> {
        if !self.pending.enter() {
            return Err(Reason::HandshakeLimit);
        }
        let table = self.peers();
        let has_room = peer.map_or(true, |peer| peer.pend(self.peer_share()));
        drop(table);
        if has_room {
            return Ok(());
        }
        self.pending.leave();
        Err(Reason::HandshakeLimit)
    }

    /// Frees one place among the pending handshakes.
    pub(crate) fn leave_pending(&self) {
        self.pending.leave();
    }

    /// Returns whether over half of the surplus places are taken.
    ///
    /// Evicted connections then close without lingering.
    pub(crate) fn surplus_is_short(&self) -> bool {
        self.surplus.inside() > self.surplus.max() / 2
    }

    /// Returns the most pending handshakes of one peer now.
    fn peer_share(&self) -> u64 {
        match self.peer_pending.load(Ordering::Relaxed) {
            0 => pending_share(self.pending.max(), self.pending.free()),
            cap => cap,
        }
    }
}
