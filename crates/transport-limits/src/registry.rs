//! The open connections of one transport.
//!
//! Accepted ones are ordered by their last seen activity.
//!
//! The order is lazy: moving bytes does not update it. A search for an idle connection starts with
//! the one seen active longest ago, and moves each busy one to its current position. So the registry
//! checks a busy connection at most once per `evict_after`, and a search checks a constant number of
//! connections on average.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLock, Weak};

use transport_core::TransportError;

use crate::conn_state::ConnState;
use crate::sync::{Mutex, MutexGuard};

/// The least recently active of this many idle connections is evicted.
const SAMPLE: usize = 16;
/// Most connections that one search checks.
const MAX_CHECKED: usize = 256;

/// The open connections of one transport.
pub(crate) struct Registry {
    conns: Mutex<Conns>,
    siblings: Siblings,
}

/// The registries of all limiters that share ceilings.
type Siblings = Arc<RwLock<Vec<Weak<Registry>>>>;

#[derive(Default)]
struct Conns {
    /// By the tick of the last seen activity, then by connection number.
    accepted: BTreeMap<(u64, u64), Arc<ConnState>>,
    /// By connection number, so that every walk has the same order.
    dialed: BTreeMap<u64, Arc<ConnState>>,
    /// Whether every new connection is cancelled.
    closed: bool,
}

impl Registry {
    /// Creates the registry of a limiter that owns its ceilings.
    pub(crate) fn alone() -> Arc<Self> {
        Self::among(Siblings::default())
    }

    /// Creates the registry of another limiter with the same ceilings.
    pub(crate) fn sibling(&self) -> Arc<Self> {
        Self::among(Arc::clone(&self.siblings))
    }

    fn among(siblings: Siblings) -> Arc<Self> {
        let registry = Arc::new(Self {
            conns: Mutex::default(),
            siblings,
        });
        let mut all = registry
            .siblings
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        all.retain(|one| one.strong_count() > 0);
        all.push(Arc::downgrade(&registry));
        drop(all);
        registry
    }

    /// Returns this registry and those of the limiters with the same ceilings.
    fn all(&self) -> Vec<Arc<Self>> {
        let all = self.siblings.read().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter_map(Weak::upgrade).collect()
    }

    fn is_alone(&self) -> bool {
        let all = self.siblings.read();
        all.unwrap_or_else(PoisonError::into_inner).len() == 1
    }

    /// Applies changed rates to all connections, and wakes them.
    ///
    /// That is to all under the same ceilings.
    pub(crate) fn rates_changed(&self, rebase: impl Fn(&ConnState)) {
        for registry in self.all() {
            registry.for_each(|conn| rebase(conn));
            registry.for_each(|conn| conn.wake());
        }
    }

    /// Adds a connection that was just established, and cancels it after [`close`](Self::close).
    pub(crate) fn enter(&self, conn: &Arc<ConnState>) {
        let mut conns = self.lock();
        if conn.accepted {
            conns.insert(conn, conn.born);
        } else {
            conns.dialed.insert(conn.id(), Arc::clone(conn));
        }
        let closed = conns.closed;
        drop(conns);
        if closed {
            conn.end_with(&TransportError::Cancelled);
        }
    }

    fn leave(&self, conn: &ConnState) {
        let removed = self.lock().remove(conn);
        // Dropped without the lock.
        drop(removed);
    }

    /// Cancels every connection that is added from now on.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
    }

    pub(crate) fn len(&self) -> usize {
        let conns = self.lock();
        conns.accepted.len() + conns.dialed.len()
    }

    fn accepted(&self) -> usize {
        self.lock().accepted.len()
    }

    /// Calls `each` with every connection, under the lock.
    pub(crate) fn for_each(&self, each: impl FnMut(&Arc<ConnState>)) {
        self.lock().iter().for_each(each);
    }

    /// Returns the connection with this number.
    pub(crate) fn find(&self, id: u64) -> Option<Arc<ConnState>> {
        self.lock().iter().find(|conn| conn.id() == id).cloned()
    }

    /// Returns an accepted connection that has been idle for `after` ticks.
    ///
    /// It is the least recently active of a sample, here or in a sibling with more connections;
    /// the largest is searched first. So many connections of one transport do not evict the few of
    /// another.
    pub(crate) fn longest_idle(&self, now: u64, after: u64) -> Option<Arc<ConnState>> {
        let due = now.checked_sub(after)?;
        if self.is_alone() {
            return self.lock().longest_idle(now, due);
        }
        let own = self.accepted();
        let mut found: Vec<_> = self.all().into_iter().map(|r| (r.accepted(), r)).collect();
        found.retain(|(size, registry)| *size > own || std::ptr::eq(&**registry, self));
        found.sort_by_key(|(size, _)| std::cmp::Reverse(*size));
        let mut registries = found.into_iter().map(|(_, registry)| registry);
        registries.find_map(|registry| registry.lock().longest_idle(now, due))
    }

    /// Locks the connections for a few map operations.
    ///
    /// That is at open, at close, and for a sample of idle connections.
    fn lock(&self) -> MutexGuard<'_, Conns> {
        self.conns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Conns {
    fn insert(&mut self, conn: &Arc<ConnState>, seen: u64) {
        conn.seen.store(seen, Ordering::Relaxed);
        self.accepted.insert((seen, conn.id()), Arc::clone(conn));
    }

    fn remove(&mut self, conn: &ConnState) -> Option<Arc<ConnState>> {
        if conn.accepted {
            let seen = conn.seen.load(Ordering::Relaxed);
            self.accepted.remove(&(seen, conn.id()))
        } else {
            self.dialed.remove(&conn.id())
        }
    }

    fn iter(&self) -> impl Iterator<Item = &Arc<ConnState>> {
        self.accepted.values().chain(self.dialed.values())
    }

    fn longest_idle(&mut self, now: u64, due: u64) -> Option<Arc<ConnState>> {
        let (mut found, mut idle) = (None::<(u64, Arc<ConnState>)>, 0);
        let mut moved = Vec::new();
        let candidates = self.accepted.range(..=(due, u64::MAX));
        for (key, conn) in candidates.take(MAX_CHECKED) {
            match idle_since(conn) {
                Some(since) if since <= due => {
                    idle += 1;
                    if found.as_ref().map_or(true, |(oldest, _)| since < *oldest) {
                        found = Some((since, Arc::clone(conn)));
                    }
                }
                // A candidate again `after` ticks from its last activity.
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

/// Returns the last activity of an open and idle connection.
fn idle_since(conn: &ConnState) -> Option<u64> {
    let is_open = conn.ending().is_none();
    is_open.then(|| conn.idle_since()).flatten()
}

/// Removes a connection from the registry when it is dropped.
pub(crate) struct Registration {
    registry: Arc<Registry>,
    conn: Arc<ConnState>,
}

impl Registration {
    /// Creates the guard of a connection that [`Registry::enter`] adds afterwards.
    pub(crate) fn new(registry: &Arc<Registry>, conn: &Arc<ConnState>) -> Self {
        Self {
            registry: Arc::clone(registry),
            conn: Arc::clone(conn),
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.registry.leave(&self.conn);
    }
}

#[cfg(all(test, not(ron_loom)))]
mod tests {
    use super::*;

    #[test]
    fn gone_siblings_are_removed() {
        let first = Registry::alone();
        for _ in 0..10 {
            drop(first.sibling());
        }
        let _last = first.sibling();
        assert_eq!(first.siblings.read().unwrap().len(), 2);
    }
}
