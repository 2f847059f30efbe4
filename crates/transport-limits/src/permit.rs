//! The places of one connection, given back by its permit's drop.

use std::sync::Arc;

use transport_core::{Backend, Queue, Reason};

use crate::budget::MemoryAccount;
use crate::core::Core;
use crate::peers::{PeerKey, PeerState};

/// The places that one connection takes. Dropping it gives all of them back.
#[derive(Debug)]
pub(crate) struct Permit {
    core: Arc<Core>,
    backend: Backend,
    admitted: Option<AdmittedPeer>,
}

/// The places of an accepted connection.
#[derive(Debug)]
struct AdmittedPeer {
    key: PeerKey,
    /// The peer, while the handshake is pending.
    pending: Option<Arc<PeerState>>,
    /// Whether another connection has taken over its place.
    evicted: bool,
}

impl Permit {
    /// Wraps the places that admission took for an accepted connection.
    pub(crate) fn accepted(
        core: &Arc<Core>,
        backend: Backend,
        key: PeerKey,
        peer: Arc<PeerState>,
    ) -> Self {
        core.observer().queue_depth(Queue::PendingHandshakes, 1);
        let admitted = AdmittedPeer {
            key,
            pending: Some(peer),
            evicted: false,
        };
        let permit = Self::new(core, backend, Some(admitted));
        core.report_peers(backend);
        permit
    }

    /// Counts a dialed connection, which has no cap.
    pub(crate) fn dialed(core: &Arc<Core>, backend: Backend) -> Self {
        Self::new(core, backend, None)
    }

    fn new(core: &Arc<Core>, backend: Backend, admitted: Option<AdmittedPeer>) -> Self {
        core.observer().inflight(backend, 1);
        Self {
            core: Arc::clone(core),
            backend,
            admitted,
        }
    }

    /// Gives back the pending place; the first call returns the peer.
    pub(crate) fn established(&mut self) -> Option<Arc<PeerState>> {
        let peer = self.admitted.as_mut()?.pending.take()?;
        peer.established();
        self.core.admission().leave_pending();
        let observer = self.core.observer();
        observer.queue_depth(Queue::PendingHandshakes, -1);
        Some(peer)
    }

    /// Takes a pending place again, for the handshake of an upgrade.
    ///
    /// [`established`](Self::established) gives it back. Dialed connections need none.
    ///
    /// # Errors
    /// The limit of pending handshakes.
    pub(crate) fn pend(&mut self, peer: &Arc<PeerState>) -> Result<(), Reason> {
        let Some(admitted) = &mut self.admitted else {
            return Ok(());
        };
        let observer = self.core.observer();
        let entered = self.core.admission().enter_pending(peer);
        if entered.is_err() {
            observer.queue_dropped(Queue::PendingHandshakes);
            return entered;
        }
        admitted.pending = Some(Arc::clone(peer));
        observer.queue_depth(Queue::PendingHandshakes, 1);
        Ok(())
    }

    /// Notes that another connection has taken over the place.
    pub(crate) fn evicted(&mut self) {
        if let Some(admitted) = &mut self.admitted {
            admitted.evicted = true;
        }
    }

    /// Returns whether an evicted connection must close without lingering.
    pub(crate) fn skips_linger(&self) -> bool {
        let evicted = self.admitted.as_ref().is_some_and(|a| a.evicted);
        evicted && self.core.admission().surplus_is_short()
    }

    /// Returns the memory account of an accepted connection's peer.
    pub(crate) fn account(&self) -> Option<MemoryAccount> {
        let admitted = self.admitted.as_ref();
        admitted.map(|admitted| MemoryAccount::Peer(admitted.key))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.established();
        if let Some(admitted) = self.admitted.take() {
            let admission = self.core.admission();
            admission.peers().leave(admitted.key, self.core.now());
            if admitted.evicted {
                admission.surplus.leave();
            } else {
                admission.conns.leave();
            }
            self.core.report_peers(self.backend);
        }
        self.core.observer().inflight(self.backend, -1);
    }
}
