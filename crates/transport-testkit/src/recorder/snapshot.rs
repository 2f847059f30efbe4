//! What a recorder has recorded.

use std::collections::HashMap;
use std::hash::Hash;
use std::ops::AddAssign;
use std::time::{Duration, SystemTime};

use transport_core::{
    Backend, CloseReason, Direction, Queue, ReadyState, Reason, Scope, TaskKind, TlsHandshake,
};

/// Sums by label; a label that never came is 0.
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

/// Everything recorded up to one moment.
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
    /// Bytes that may be held for peers.
    pub memory_limit: u64,
    /// Latencies of handshakes, in order.
    pub handshakes: Vec<(Backend, Duration)>,
    /// Sampled operations, in order.
    pub io_sizes: Vec<(Backend, Direction, usize)>,
    /// The per-peer table as last shown: entries, and connections of the peer that has most.
    pub peers: Option<(Backend, usize, usize)>,
    /// TLS handshakes, in order.
    pub tls_handshakes: Vec<TlsHandshake>,
    /// Until when the last loaded certificate is valid.
    pub certificate_expiry: Option<SystemTime>,
    /// Readiness states, in order.
    pub readiness: Vec<ReadyState>,
    /// Outcomes of reloads, in order.
    pub reloads: Vec<bool>,
    /// Tor bootstrap progress.
    pub arti_progress: f64,
}

impl Snapshot {
    /// Dials that ended like this, all backends.
    #[must_use]
    pub fn dials(&self, ok: bool) -> u64 {
        self.dials.sum(|(_, with)| with == ok)
    }

    /// Raw accepts, all backends.
    #[must_use]
    pub fn accepts(&self) -> u64 {
        self.accepts.sum(|_| true)
    }

    /// Connections in flight, all backends.
    #[must_use]
    pub fn inflight(&self) -> i64 {
        self.inflight.sum(|_| true)
    }

    /// Connections that ended like this, all backends.
    #[must_use]
    pub fn closes(&self, reason: CloseReason) -> u64 {
        self.closes.sum(|(_, with)| with == reason)
    }

    /// Connections that ended, all backends and reasons.
    #[must_use]
    pub fn all_closes(&self) -> u64 {
        self.closes.sum(|_| true)
    }

    /// Bytes of this backend and direction.
    #[must_use]
    pub fn bytes(&self, backend: Backend, direction: Direction) -> u64 {
        self.bytes.get((backend, direction))
    }

    /// Rejects of this reason.
    #[must_use]
    pub fn rejected(&self, reason: Reason) -> u64 {
        self.rejected.get(reason)
    }

    /// Rejects of every reason.
    #[must_use]
    pub fn all_rejected(&self) -> u64 {
        self.rejected.sum(|_| true)
    }

    /// How long operations were parked because of this scope.
    #[must_use]
    pub fn throttled(&self, scope: Scope, direction: Direction) -> Duration {
        self.throttled.get((scope, direction))
    }

    /// A queue's depth.
    #[must_use]
    pub fn queue_depth(&self, queue: Queue) -> i64 {
        self.queue_depth.get(queue)
    }

    /// Things that a queue did not take.
    #[must_use]
    pub fn queue_dropped(&self, queue: Queue) -> u64 {
        self.queue_dropped.get(queue)
    }

    /// Tasks of this kind that were spawned.
    #[must_use]
    pub fn tasks_spawned(&self, kind: TaskKind) -> u64 {
        self.tasks_spawned.get(kind)
    }

    /// Tasks of this kind that did not end by returning.
    #[must_use]
    pub fn tasks_aborted(&self, kind: TaskKind) -> u64 {
        self.tasks_aborted.get(kind)
    }
}
