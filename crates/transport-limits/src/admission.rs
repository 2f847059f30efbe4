//! Admission: the one place that decides whether an accepted connection may stay, before any
//! work is done for it. The rules for addresses are in `admission_rules`, eviction is in `evict`.

use std::sync::{Arc, PoisonError};

use transport_core::{Backend, PeerAddr, Queue, Reason};

use crate::admission_rules::AdmissionRules;
use crate::bucket::{Rate, TokenBucket};
use crate::budget::MemoryAccount;
use crate::clock::ticks;
use crate::count_limit::CountLimit;
use crate::evict::SURPLUS;
use crate::limiter::Limiter;
use crate::peers::{pending_share, PeerCaps, PeerKey, PeerState, PeerTable};
use crate::settings::{Limits, Overflow};
use crate::sync::{AtomicBool, AtomicU64, Mutex, MutexGuard, Ordering};

#[derive(Debug)]
pub(crate) struct Admission {
    rules: AdmissionRules,
    /// New connections are refused as `overload`.
    overloaded: AtomicBool,
    pub(crate) conns: CountLimit,
    /// Evicted connections that are still closing.
    pub(crate) surplus: CountLimit,
    /// Whether a newcomer takes the place of an idle connection.
    evicts: AtomicBool,
    /// In ticks.
    pub(crate) evict_after: AtomicU64,
    pending: CountLimit,
    accepts: TokenBucket,
    accepts_per_sec: AtomicU64,
    peer_accepts_per_sec: AtomicU64,
    peer_max_conns: AtomicU64,
    /// 0 is the share that the places allow.
    peer_pending: AtomicU64,
    ipv4_prefix: u8,
    ipv6_prefix: u8,
    peers: Mutex<PeerTable>,
}

impl Admission {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            rules: AdmissionRules::new(limits),
            overloaded: AtomicBool::new(false),
            conns: CountLimit::new(limits.max_conns()),
            surplus: CountLimit::new(SURPLUS.min(limits.max_conns())),
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
        self.rules.apply(limits);
        self.conns.set_max(limits.max_conns());
        self.surplus.set_max(SURPLUS.min(limits.max_conns()));
        let evicts = limits.overflow() == Overflow::Evict;
        self.evicts.store(evicts, Ordering::Relaxed);
        self.evict_after
            .store(ticks(limits.evict_after()), Ordering::Relaxed);
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

    /// Held for a few map operations, once at admission and once at the end of a connection.
    pub(crate) fn peers(&self) -> MutexGuard<'_, PeerTable> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) const fn rules(&self) -> &AdmissionRules {
        &self.rules
    }

    /// Connections admitted and not yet gone.
    pub(crate) fn inside(&self) -> u64 {
        self.conns.inside() + self.surplus.inside()
    }

    /// Handshakes under way.
    pub(crate) fn pending_inside(&self) -> u64 {
        self.pending.inside()
    }

    /// The total cap, then the accept rates, the caps of the peer, and the pending handshakes of
    /// all and of the peer. Whoever is refused leaves no trace but in its own bucket:
    /// a peer over its own limits takes no token from the accept rate of all.
    fn enter(&self, key: PeerKey, now: u64) -> Result<Arc<PeerState>, Reason> {
        if !self.conns.enter() {
            return Err(Reason::ConnLimit);
        }
        let peer = self.enter_peer(key, now);
        if peer.is_err() {
            self.conns.leave();
        }
        peer
    }

    /// Every limit but the total cap.
    pub(crate) fn enter_peer(&self, key: PeerKey, now: u64) -> Result<Arc<PeerState>, Reason> {
        let rate = Rate::events(self.accepts_per_sec.load(Ordering::Relaxed));
        let token = match rate.map(|rate| self.accepts.take(now, rate, 1, 1)) {
            Some(Err(_)) => return Err(Reason::RateLimited),
            Some(Ok(token)) => Some(token),
            None => None,
        };
        // The place is taken first and judged last, so that a peer over its own caps hears of
        // these.
        let place = self.pending.enter();
        let caps = PeerCaps {
            max_conns: self.peer_max_conns.load(Ordering::Relaxed),
            accepts: Rate::events(self.peer_accepts_per_sec.load(Ordering::Relaxed)),
            pending: if place { self.peer_share() } else { 0 },
        };
        let peer = self.peers().enter(key, now, caps);
        if peer.is_err() {
            if place {
                self.pending.leave();
            }
            if let Some(token) = token {
                self.accepts.settle(token, 0);
            }
        }
        peer
    }

    /// Takes back [`enter_peer`](Self::enter_peer). The tokens of the accept rates stay spent.
    pub(crate) fn leave_peer(&self, key: PeerKey, peer: &PeerState, now: u64) {
        peer.established();
        self.pending.leave();
        self.peers().leave(key, now);
    }

    /// The most pending handshakes of one peer now.
    fn peer_share(&self) -> u64 {
        match self.peer_pending.load(Ordering::Relaxed) {
            0 => pending_share(self.pending.max(), self.pending.free()),
            cap => cap,
        }
    }
}

/// One connection's right to exist. Dropping it, on whatever path, gives everything back.
#[derive(Debug)]
pub(crate) struct Permit {
    limiter: Limiter,
    backend: Backend,
    admitted: Option<AdmittedPeer>,
}

#[derive(Debug)]
struct AdmittedPeer {
    key: PeerKey,
    peer: Arc<PeerState>,
    pending: bool,
    /// Its place has gone to another connection.
    evicted: bool,
}

impl Permit {
    /// Admits an accepted connection.
    pub(crate) fn admit(
        limiter: &Limiter,
        backend: Backend,
        peer: PeerAddr,
        now: u64,
    ) -> Result<Self, Reason> {
        if limiter.is_draining() {
            return Err(Reason::Draining);
        }
        let admission = limiter.admission();
        if admission.overloaded.load(Ordering::Relaxed) {
            return Err(Reason::Overload);
        }
        let key = PeerKey::new(peer, admission.ipv4_prefix, admission.ipv6_prefix);
        let entered = match admission.enter(key, now) {
            Err(Reason::ConnLimit) if admission.evicts.load(Ordering::Relaxed) => {
                limiter.enter_by_eviction(key, now)
            }
            entered => entered,
        };
        let peer = entered.inspect_err(|reason| {
            if *reason == Reason::HandshakeLimit {
                limiter.observer().queue_dropped(Queue::PendingHandshakes);
            }
        })?;
        limiter.observer().queue_depth(Queue::PendingHandshakes, 1);
        let permit = Self::new(
            limiter,
            backend,
            Some(AdmittedPeer {
                key,
                peer,
                pending: true,
                evicted: false,
            }),
        );
        permit.show_peers();
        Ok(permit)
    }

    /// The permit of a dialed connection: counted, not capped.
    pub(crate) fn dialed(limiter: &Limiter, backend: Backend) -> Self {
        Self::new(limiter, backend, None)
    }

    fn new(limiter: &Limiter, backend: Backend, admitted: Option<AdmittedPeer>) -> Self {
        limiter.observer().inflight(backend, 1);
        Self {
            limiter: limiter.clone(),
            backend,
            admitted,
        }
    }

    /// Gives the place among the pending handshakes back, the peer's and that of all.
    pub(crate) fn established(&mut self) {
        let Some(admitted) = &mut self.admitted else {
            return;
        };
        if std::mem::take(&mut admitted.pending) {
            admitted.peer.established();
            self.limiter.admission().pending.leave();
            self.limiter
                .observer()
                .queue_depth(Queue::PendingHandshakes, -1);
        }
    }

    /// Notes that the place went to another connection.
    pub(crate) fn evicted(&mut self) {
        if let Some(admitted) = &mut self.admitted {
            admitted.evicted = true;
        }
    }

    /// Returns whether the connection was evicted and its place is needed soon.
    pub(crate) fn hurries(&self) -> bool {
        let evicted = self.admitted.as_ref().is_some_and(|a| a.evicted);
        evicted && self.limiter.admission().surplus_is_short()
    }

    pub(crate) fn peer(&self) -> Option<Arc<PeerState>> {
        self.admitted
            .as_ref()
            .map(|admitted| Arc::clone(&admitted.peer))
    }

    /// The memory account of an accepted connection's peer.
    pub(crate) fn account(&self) -> Option<MemoryAccount> {
        let admitted = self.admitted.as_ref();
        admitted.map(|admitted| MemoryAccount::Peer(admitted.key))
    }

    fn show_peers(&self) {
        let peers = self.limiter.admission().peers();
        let (tracked, max) = (peers.tracked(), peers.max_conns());
        // Under the lock, so that the last report is the newest.
        self.limiter.observer().peers(self.backend, tracked, max);
    }
}

impl Limiter {
    /// Refuses every connection that is accepted from now on as `overload`, or admits them again.
    /// Open connections go on, and dials are not affected.
    pub fn set_overloaded(&self, overloaded: bool) {
        let flag = &self.admission().overloaded;
        flag.store(overloaded, Ordering::Relaxed);
    }

    /// Returns whether new connections are refused as `overload`.
    #[must_use]
    pub fn is_overloaded(&self) -> bool {
        self.admission().overloaded.load(Ordering::Relaxed)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.established();
        if let Some(admitted) = self.admitted.take() {
            let admission = self.limiter.admission();
            admission.peers().leave(admitted.key, self.limiter.now());
            if admitted.evicted {
                admission.surplus.leave();
            } else {
                admission.conns.leave();
            }
            self.show_peers();
        }
        self.limiter.observer().inflight(self.backend, -1);
    }
}
