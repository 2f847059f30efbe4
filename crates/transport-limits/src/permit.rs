//! The places of one connection, given back by its permit's drop.

use std::sync::Arc;

use transport_core::{Backend, Queue};

use crate::budget::MemoryAccount;
use crate::core::Core;
use crate::peers::{PeerKey, PeerState};

/// The places that one connection takes. Dropping it gives all of them back.
#[derive(Debug)]
pub(crate) struct Permit {
    core: Arc<Core>,
    backend: Backend,
    accepted: Option<AcceptedPlaces>,
}

/// The places of an accepted connection.
#[derive(Debug)]
struct AcceptedPlaces {
    /// The peer; `None` while only its hop is known, and for a hop itself.
    key: Option<PeerKey>,
    /// The peer's state, while the handshake is pending.
    peer: Option<Arc<PeerState>>,
    /// Whether the handshake is pending.
    is_pending: bool,
    /// Whether it holds a surplus place instead of one of `max_conns`.
    ///
    /// Another connection has taken over its place, or it has not evicted one yet.
    is_surplus: bool,
}

impl Permit {
    /// Wraps the places that admission took for an accepted connection.
    pub(crate) fn accepted(
        core: &Arc<Core>,
        backend: Backend,
        key: PeerKey,
        peer: Arc<PeerState>,
    ) -> Self {
        let mut permit = Self::of_hop(core, backend, false);
        permit.identified(key, peer);
        permit
    }

    /// Wraps the places of a connection from a hop, whose peer is not known.
    pub(crate) fn of_hop(core: &Arc<Core>, backend: Backend, is_surplus: bool) -> Self {
        core.observer().queue_depth(Queue::PendingHandshakes, 1);
        let places = AcceptedPlaces {
            key: None,
            peer: None,
            is_pending: true,
            is_surplus,
        };
        Self::new(core, backend, Some(places))
    }

    /// Counts a dialed connection, which has no cap.
    pub(crate) fn dialed(core: &Arc<Core>, backend: Backend) -> Self {
        Self::new(core, backend, None)
    }

    fn new(core: &Arc<Core>, backend: Backend, accepted: Option<AcceptedPlaces>) -> Self {
        core.observer().inflight(backend, 1);
        Self {
            core: Arc::clone(core),
            backend,
            accepted,
        }
    }

    /// Adds the peer's places, which admission took after the hop's.
    pub(crate) fn identified(&mut self, key: PeerKey, peer: Arc<PeerState>) {
        if let Some(places) = &mut self.accepted {
            places.key = Some(key);
            places.peer = Some(peer);
            self.report_peers();
        }
    }

    /// Returns whether the peer opened the connection.
    pub(crate) const fn is_accepted(&self) -> bool {
        self.accepted.is_some()
    }

    /// Returns whether it holds a surplus place.
    pub(crate) fn is_surplus(&self) -> bool {
        self.accepted.as_ref().is_some_and(|a| a.is_surplus)
    }

    /// Exchanges the surplus place for one of `max_conns`, which the caller has taken.
    pub(crate) fn placed(&mut self) {
        if let Some(places) = self.accepted.as_mut().filter(|a| a.is_surplus) {
            places.is_surplus = false;
            self.core.admission().surplus.leave();
        }
    }

    /// Gives back the pending place; the first call returns the peer, if it is known.
    pub(crate) fn established(&mut self) -> Option<Arc<PeerState>> {
        let places = self.accepted.as_mut()?;
        if !std::mem::take(&mut places.is_pending) {
            return None;
        }
        let peer = places.peer.take();
        if let Some(peer) = &peer {
            peer.established();
        }
        self.core.admission().leave_pending();
        let observer = self.core.observer();
        observer.queue_depth(Queue::PendingHandshakes, -1);
        peer
    }

    /// Notes that another connection has taken over the place.
    pub(crate) fn evicted(&mut self) {
        if let Some(places) = &mut self.accepted {
            places.is_surplus = true;
        }
    }

    /// Returns whether an evicted connection must close without lingering.
    pub(crate) fn skips_linger(&self) -> bool {
        self.is_surplus() && self.core.admission().surplus_is_short()
    }

    /// Returns the memory account of an accepted connection's peer.
    pub(crate) fn account(&self) -> Option<MemoryAccount> {
        let places = self.accepted.as_ref();
        places.and_then(|a| a.key).map(MemoryAccount::Peer)
    }

    fn report_peers(&self) {
        let peers = self.core.admission().peers();
        let (tracked, max) = (peers.tracked(), peers.max_conns());
        // Under the lock, so that the last report is the newest.
        self.core.observer().peers(self.backend, tracked, max);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.established();
        if let Some(places) = self.accepted.take() {
            let admission = self.core.admission();
            if let Some(key) = places.key {
                admission.peers().leave(key, self.core.now());
            }
            if places.is_surplus {
                admission.surplus.leave();
            } else {
                admission.conns.leave();
            }
            if places.key.is_some() {
                self.report_peers();
            }
        }
        self.core.observer().inflight(self.backend, -1);
    }
}
