//! The places of one connection, given back by its permit's drop.

use std::sync::atomic::Ordering;
use std::sync::Arc;

use transport_core::{Backend, Queue, Reason};

use crate::core::Core;
use crate::peers::PeerState;

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
    /// The peer; `None` if only a hop is known.
    peer: Option<Arc<PeerState>>,
    /// Whether the handshake is pending.
    is_pending: bool,
    total: TotalPlace,
}

/// The place of an accepted connection among all connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TotalPlace {
    /// One of `max_conns`.
    Conns,
    /// A surplus place.
    ///
    /// Another connection has taken over its place, or it has not evicted one yet.
    Surplus,
    /// None: it is about to be refused.
    None,
}

impl Permit {
    /// Wraps the places that admission took for an accepted connection.
    pub(crate) fn accepted(core: &Arc<Core>, backend: Backend, peer: Arc<PeerState>) -> Self {
        let mut permit = Self::of_hop(core, backend, false);
        permit.identified(peer);
        permit
    }

    /// Wraps the places of a connection from a hop.
    pub(crate) fn of_hop(core: &Arc<Core>, backend: Backend, is_surplus: bool) -> Self {
        core.pending().fetch_add(1, Ordering::Relaxed);
        core.observer().queue_depth(Queue::PendingHandshakes, 1);
        let total = if is_surplus {
            TotalPlace::Surplus
        } else {
            TotalPlace::Conns
        };
        let places = AcceptedPlaces {
            peer: None,
            is_pending: true,
            total,
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
    pub(crate) fn identified(&mut self, peer: Arc<PeerState>) {
        if let Some(places) = &mut self.accepted {
            places.peer = Some(peer);
            self.core.report_peers(self.backend);
        }
    }

    /// Returns whether the peer opened the connection.
    pub(crate) const fn is_accepted(&self) -> bool {
        self.accepted.is_some()
    }

    /// Returns the place among all connections.
    pub(crate) fn total(&self) -> TotalPlace {
        let places = self.accepted.as_ref();
        places.map_or(TotalPlace::None, |places| places.total)
    }

    /// Notes the exchange of the surplus place.
    ///
    /// It is exchanged for one of `max_conns`, or the attempt failed.
    pub(crate) fn replaced(&mut self, is_placed: bool, has_surplus: bool) {
        let Some(places) = &mut self.accepted else {
            return;
        };
        places.total = match (is_placed, has_surplus) {
            (true, _) => TotalPlace::Conns,
            (false, true) => TotalPlace::Surplus,
            (false, false) => TotalPlace::None,
        };
        if is_placed && has_surplus {
            self.core.admission().surplus.leave();
        }
    }

    /// Gives back the pending place; the first call returns the peer.
    pub(crate) fn established(&mut self) -> Option<Arc<PeerState>> {
        let places = self.accepted.as_mut()?;
        if !std::mem::take(&mut places.is_pending) {
            return None;
        }
        let peer = places.peer.clone();
        if let Some(peer) = &peer {
            peer.established();
        }
        self.core.admission().leave_pending();
        self.core.pending().fetch_sub(1, Ordering::Relaxed);
        let observer = self.core.observer();
        observer.queue_depth(Queue::PendingHandshakes, -1);
        peer
    }

    /// Takes a pending place again, for the handshake of an upgrade.
    ///
    /// [`established`](Self::established) gives it back. Dialed connections need none.
    ///
    /// # Errors
    /// The limit of pending handshakes.
    pub(crate) fn pend(&mut self, peer: Option<&Arc<PeerState>>) -> Result<(), Reason> {
        let Some(places) = &mut self.accepted else {
            return Ok(());
        };
        let observer = self.core.observer();
        let entered = self.core.admission().enter_pending(peer.map(AsRef::as_ref));
        if entered.is_err() {
            observer.queue_dropped(Queue::PendingHandshakes);
            return entered;
        }
        places.is_pending = true;
        self.core.pending().fetch_add(1, Ordering::Relaxed);
        observer.queue_depth(Queue::PendingHandshakes, 1);
        Ok(())
    }

    /// Notes that another connection has taken over the place.
    pub(crate) fn evicted(&mut self) {
        if let Some(places) = &mut self.accepted {
            places.total = TotalPlace::Surplus;
        }
    }

    /// Returns whether an evicted connection must close without lingering.
    pub(crate) fn skips_linger(&self) -> bool {
        self.total() == TotalPlace::Surplus && self.core.admission().surplus_is_short()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.established();
        if let Some(places) = self.accepted.take() {
            let admission = self.core.admission();
            if let Some(peer) = &places.peer {
                admission.peers().leave(peer.key(), self.core.now());
            }
            match places.total {
                TotalPlace::Conns => admission.conns.leave(),
                TotalPlace::Surplus => admission.surplus.leave(),
                TotalPlace::None => {}
            }
            if places.peer.is_some() {
                self.core.report_peers(self.backend);
            }
        }
        self.core.observer().inflight(self.backend, -1);
    }
}
