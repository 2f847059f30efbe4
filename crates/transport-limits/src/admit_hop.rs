//! Decides about a connection from a hop, in two steps.
//!
//! Until the hop has announced the peer, the connection has a place in total and one among the
//! pending handshakes. The other checks follow in the order of `admit`.

use transport_core::{Backend, PeerAddr, Queue, Reason};

use crate::limiter::Limiter;
use crate::permit::{Permit, TotalPlace};

impl Limiter {
    /// Takes the places of a connection whose peer is not known.
    pub(crate) fn admit_hop(&self, backend: Backend) -> Result<Permit, Reason> {
        self.is_open()?;
        let core = self.core();
        let is_surplus = core.admission().enter_hop().inspect_err(|reason| {
            if *reason == Reason::HandshakeLimit {
                core.observer().queue_dropped(Queue::PendingHandshakes);
            }
        })?;
        Ok(Permit::of_hop(core, backend, is_surplus))
    }

    /// Admits an announced peer.
    ///
    /// A hop that announced none (`is_hop`) is exempt from the limits of single peers.
    pub(crate) fn admit_identified(
        &self,
        permit: &mut Permit,
        backend: Backend,
        peer: PeerAddr,
        is_hop: bool,
    ) -> Result<(), Reason> {
        self.check_rules(backend, peer)
            .map_err(|_| Reason::Denied)?;
        let core = self.core();
        let (admission, now) = (core.admission(), core.now());
        if is_hop {
            admission.take_accept(now)?;
        } else {
            let key = admission.peer_key(peer);
            let state = admission.enter_pending_peer(key, now).inspect_err(|r| {
                if *r == Reason::HandshakeLimit {
                    core.observer().queue_dropped(Queue::PendingHandshakes);
                }
            })?;
            permit.identified(state);
        }
        if permit.total() != TotalPlace::Surplus {
            return Ok(());
        }
        let mut has_surplus = true;
        let is_placed = self.take_place(None, &mut has_surplus, now);
        permit.replaced(is_placed, has_surplus);
        if is_placed {
            Ok(())
        } else {
            Err(Reason::ConnLimit)
        }
    }
}
