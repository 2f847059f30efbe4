//! A copy of a record.

use std::collections::HashMap;
use std::hash::Hash;
use std::ops::AddAssign;
use std::time::{Duration, SystemTime};

use transport_core::{
    Backend, CloseReason, Direction, ProxyResult, ProxyVersion, Queue, ReadyState, Reason, Scope,
    TaskKind, TlsHandshake,
};

/// Sums by label; an absent label counts as 0.
#[derive(Debug, Clone)]
pub(super) struct Sums<K, V>(HashMap<K, V>);

impl<K, V> Default for Sums<K, V> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash + Copy, V: AddAssign + Default + Copy> Sums<K, V> {
    pub(super) fn add(&mut self, label: K, value: V) {
        *self.0.entry(label).or_default() += value;
    }

    fn get(&self, label: K) -> V {
        self.0.get(&label).copied().unwrap_or_default()
    }

    fn sum(&self, with: impl Fn(K) -> bool) -> V {
        let mut sum = V::default();
        for (label, value) in &self.0 {
            if with(*label) {
                sum += *value;
            }
        }
        sum
    }
}

/// The record at one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    pub(super) dials: Sums<(Backend, bool), u64>,
    pub(super) accepts: Sums<Backend, u64>,
    pub(super) inflight: Sums<Backend, i64>,
    pub(super) closes: Sums<(Backend, CloseReason), u64>,
    pub(super) bytes: Sums<(Backend, Direction), u64>,
    pub(super) rejected: Sums<Reason, u64>,
    pub(super) throttled: Sums<(Scope, Direction), Duration>,
    pub(super) queue_depth: Sums<Queue, i64>,
    pub(super) queue_dropped: Sums<Queue, u64>,
    pub(super) tasks_spawned: Sums<TaskKind, u64>,
    pub(super) tasks_aborted: Sums<TaskKind, u64>,
    /// Bytes held for peers.
    pub memory_held: i64,
    /// The limit of bytes held for peers.
    pub memory_limit: u64,
    /// Handshake latencies, in order.
    pub handshakes: Vec<(Backend, Duration)>,
    /// Sampled operation sizes, in order.
    pub io_sizes: Vec<(Backend, Direction, usize)>,
    /// The peer table: backend, entries, most connections of one peer.
    pub peers: Option<(Backend, usize, usize)>,
    /// TLS handshakes, in order.
    pub tls_handshakes: Vec<TlsHandshake>,
    /// PROXY headers, in order.
    pub proxy_headers: Vec<(Option<ProxyVersion>, ProxyResult)>,
    /// The end of validity of the last loaded certificate.
    pub certificate_expiry: Option<SystemTime>,
    /// When the first CRL expires.
    pub crl_expiry: Option<SystemTime>,
    /// Readiness states, in order.
    pub readiness: Vec<ReadyState>,
    /// Outcomes of reloads, in order.
    pub reloads: Vec<bool>,
    /// Tor bootstrap progress, from 0 to 1.
    pub arti_progress: f64,
}

impl Snapshot {
    /// Returns the dials of all backends with this outcome.
    #[must_use]
    pub fn dials(&self, ok: bool) -> u64 {
        self.dials.sum(|(_, with)| with == ok)
    }

    /// Returns the raw accepts of all backends.
    #[must_use]
    pub fn accepts(&self) -> u64 {
        self.accepts.sum(|_| true)
    }

    /// Returns the open connections of all backends.
    #[must_use]
    pub fn inflight(&self) -> i64 {
        self.inflight.sum(|_| true)
    }

    /// Returns the connections of all backends that ended with this reason.
    #[must_use]
    pub fn closes(&self, reason: CloseReason) -> u64 {
        self.closes.sum(|(_, with)| with == reason)
    }

    /// Returns the ended connections of all backends.
    #[must_use]
    pub fn all_closes(&self) -> u64 {
        self.closes.sum(|_| true)
    }

    /// Returns the bytes of this backend and direction.
    #[must_use]
    pub fn bytes(&self, backend: Backend, direction: Direction) -> u64 {
        self.bytes.get((backend, direction))
    }

    /// Returns the rejects with this reason.
    #[must_use]
    pub fn rejected(&self, reason: Reason) -> u64 {
        self.rejected.get(reason)
    }

    /// Returns all rejects.
    #[must_use]
    pub fn all_rejected(&self) -> u64 {
        self.rejected.sum(|_| true)
    }

    /// Returns how long this scope has throttled operations.
    #[must_use]
    pub fn throttled(&self, scope: Scope, direction: Direction) -> Duration {
        self.throttled.get((scope, direction))
    }

    /// Returns the depth of a queue.
    #[must_use]
    pub fn queue_depth(&self, queue: Queue) -> i64 {
        self.queue_depth.get(queue)
    }

    /// Returns the items that a queue dropped.
    #[must_use]
    pub fn queue_dropped(&self, queue: Queue) -> u64 {
        self.queue_dropped.get(queue)
    }

    /// Returns the spawned tasks of this kind.
    #[must_use]
    pub fn tasks_spawned(&self, kind: TaskKind) -> u64 {
        self.tasks_spawned.get(kind)
    }

    /// Returns the tasks of this kind that were aborted or panicked.
    #[must_use]
    pub fn tasks_aborted(&self, kind: TaskKind) -> u64 {
        self.tasks_aborted.get(kind)
    }
}
