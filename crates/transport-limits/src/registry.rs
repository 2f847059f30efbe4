//! The open connections of one transport, accepted ones in the order in which they were last seen
//! active.
//!
//! The order is lazy: a byte moves nothing. A search for an idle connection starts with the one that
//! was seen active longest ago and moves each busy one that it meets to where it belongs. So between
//! two looks at a busy connection lies at least `evict_after`, and a search costs a constant number
//! of looks on average.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering;
use std::sync::Arc;

use crate::conn_state::ConnState;

/// Idle connections of which the least recently active is evicted.
const SAMPLE: usize = 16;
/// Connections that one search looks at, at most.
const LOOKS: usize = 256;

/// The open connections. The caller holds its lock for a few operations on maps.
#[derive(Default)]
pub(crate) struct Registry {
    /// By the tick of the last activity that was seen, and by number.
    accepted: BTreeMap<(u64, u64), Arc<ConnState>>,
    dialed: HashMap<u64, Arc<ConnState>>,
    /// Every connection is cancelled.
    pub(crate) closed: bool,
}

impl Registry {
    pub(crate) fn enter(&mut self, conn: &Arc<ConnState>) {
        if conn.accepted {
            self.insert(conn, conn.born);
        } else {
            self.dialed.insert(conn.id, Arc::clone(conn));
        }
    }

    fn insert(&mut self, conn: &Arc<ConnState>, seen: u64) {
        conn.seen.store(seen, Ordering::Relaxed);
        self.accepted.insert((seen, conn.id), Arc::clone(conn));
    }

    /// Removes a connection; returns what the register held, to be dropped without the lock.
    pub(crate) fn leave(&mut self, conn: &ConnState) -> Option<Arc<ConnState>> {
        if conn.accepted {
            let seen = conn.seen.load(Ordering::Relaxed);
            self.accepted.remove(&(seen, conn.id))
        } else {
            self.dialed.remove(&conn.id)
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<ConnState>> {
        self.accepted.values().chain(self.dialed.values())
    }

    pub(crate) fn len(&self) -> usize {
        self.accepted.len() + self.dialed.len()
    }

    /// Returns the least recently active of some accepted connections that have been idle for
    /// `after` ticks.
    pub(crate) fn idle_longest(&mut self, now: u64, after: u64) -> Option<Arc<ConnState>> {
        let due = now.checked_sub(after)?;
        let (mut found, mut idle) = (None::<(u64, Arc<ConnState>)>, 0);
        let mut moved = Vec::new();
        for (key, conn) in self.accepted.range(..=(due, u64::MAX)).take(LOOKS) {
            match idle_since(conn) {
                Some(since) if since <= due => {
                    idle += 1;
                    if found.as_ref().map_or(true, |(oldest, _)| since < *oldest) {
                        found = Some((since, Arc::clone(conn)));
                    }
                }
                // Its next chance comes `after` from here.
                since => moved.push((*key, since.unwrap_or(now))),
            }
            if idle == SAMPLE {
                break;
            }
        }
        for (key, seen) in moved {
            if let Some(conn) = self.accepted.remove(&key) {
                self.insert(&conn, seen);
            }
        }
        found.map(|(_, conn)| conn)
    }
}

/// Returns the tick of the last byte on either leg of an open and idle connection.
fn idle_since(conn: &ConnState) -> Option<u64> {
    if conn.ending().is_some() || !conn.is_idle() {
        return None;
    }
    let other = conn.pair().map_or(0, |other| other.activity.at());
    Some(conn.activity.at().max(other))
}
