//! Eviction: at `max_conns` an idle connection gives its place to a newcomer.
//!
//! The place changes hands at once; the evicted connection is *surplus* until its handler has let it
//! go and its close is done. At most [`SURPLUS`] are at a time, and the later half of them close
//! without lingering.

use std::sync::Arc;

use crate::admission::Admission;
use crate::conn_state::ConnState;
use crate::ending::Ending;
use crate::limiter::Limiter;
use crate::peers::{PeerKey, PeerState};
use crate::sync::Ordering;
use transport_core::Reason;

/// Evicted connections that may still be closing, at most, and never more than `max_conns`. An accept
/// loop takes about half as many connections before other tasks have their turn.
pub(crate) const SURPLUS: u64 = 256;
/// A victim may become busy, and another accept loop may take the place that it left.
const TRIES: usize = 3;

impl Limiter {
    /// Lets a newcomer in that found every place taken. Every other limit is asked before a
    /// connection is ended for it.
    pub(crate) fn enter_by_eviction(
        &self,
        key: PeerKey,
        now: u64,
    ) -> Result<Arc<PeerState>, Reason> {
        let admission = self.admission();
        if admission.surplus.free() == 0 {
            return Err(Reason::ConnLimit);
        }
        let mut victim = Some(self.victim(now).ok_or(Reason::ConnLimit)?);
        let peer = admission.enter_peer(key, now)?;
        for _ in 0..TRIES {
            let Some(conn) = victim.take().or_else(|| self.victim(now)) else {
                break;
            };
            if self.evict(&conn) && admission.conns.enter() {
                return Ok(peer);
            }
        }
        // A place may have become free by itself.
        if admission.conns.enter() {
            return Ok(peer);
        }
        admission.leave_peer(key, &peer, now);
        Err(Reason::ConnLimit)
    }

    /// Ends a connection in order if it is still idle, and frees its place.
    pub(crate) fn evict(&self, conn: &ConnState) -> bool {
        let admission = self.admission();
        if !admission.surplus.enter() {
            return false;
        }
        if !conn.is_idle() || !conn.end_as(Ending::Evicted) {
            admission.surplus.leave();
            return false;
        }
        // Its permit gives back the surplus place instead.
        admission.conns.leave();
        true
    }

    fn victim(&self, now: u64) -> Option<Arc<ConnState>> {
        let after = self.admission().evict_after.load(Ordering::Relaxed);
        self.register().idle_longest(now, after)
    }
}

impl Admission {
    /// Returns whether an evicted connection closes without lingering: half of the surplus places
    /// are taken.
    pub(crate) fn surplus_is_short(&self) -> bool {
        self.surplus.inside() > self.surplus.max() / 2
    }
}
