//! Eviction: at `max_conns` a new connection replaces an idle one.
//!
//! The place changes hands at once. The evicted connection is *surplus* until its handler has
//! dropped it and its close is done. At most [`MAX_SURPLUS`](crate::admission::MAX_SURPLUS)
//! connections are surplus, and the later half of them close without lingering.

use std::sync::Arc;

use transport_core::Reason;

use crate::conn_state::ConnState;
use crate::ending::Ending;
use crate::limiter::Limiter;
use crate::peers::{PeerKey, PeerState};

/// Attempts to free a place. A victim may become busy, or another accept loop may take its place.
const TRIES: usize = 3;

impl Limiter {
    /// Admits a connection that found every place taken.
    ///
    /// It checks every other limit before it ends a connection.
    pub(crate) fn enter_by_eviction(
        &self,
        key: PeerKey,
        now: u64,
    ) -> Result<Arc<PeerState>, Reason> {
        let admission = self.core().admission();
        if admission.surplus.free() == 0 {
            return Err(Reason::ConnLimit);
        }
        let victim = self.victim(now).ok_or(Reason::ConnLimit)?;
        let peer = admission.enter_peer(key, now)?;
        if self.take_place(Some(victim), &mut false, now) {
            return Ok(peer);
        }
        admission.leave_peer(key, &peer, now);
        Err(Reason::ConnLimit)
    }

    /// Takes a place of `max_conns` from an idle connection.
    ///
    /// From this one, or from the next.
    ///
    /// `has_surplus` tells whether the caller has a surplus place. An evicted connection takes it over.
    pub(crate) fn take_place(
        &self,
        mut victim: Option<Arc<ConnState>>,
        has_surplus: &mut bool,
        now: u64,
    ) -> bool {
        let conns = &self.core().admission().conns;
        for _ in 0..TRIES {
            let Some(conn) = victim.take().or_else(|| self.victim(now)) else {
                break;
            };
            if self.evict(&conn, has_surplus) && conns.enter() {
                return true;
            }
        }
        // A connection may have ended in the meantime.
        conns.enter()
    }

    /// Ends a still idle connection in order, and frees its place.
    fn evict(&self, conn: &ConnState, has_surplus: &mut bool) -> bool {
        let admission = self.core().admission();
        let surplus = std::mem::take(has_surplus);
        if !surplus && !admission.surplus.enter() {
            return false;
        }
        if !conn.is_idle() || !conn.end_as(Ending::Evicted) {
            *has_surplus = surplus;
            if !surplus {
                admission.surplus.leave();
            }
            return false;
        }
        // Its permit gives back the surplus place instead.
        admission.conns.leave();
        true
    }

    fn victim(&self, now: u64) -> Option<Arc<ConnState>> {
        let after = self.core().admission().evict_after();
        self.registry().longest_idle(now, after)
    }
}
