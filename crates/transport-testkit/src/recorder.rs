//! An observer that records every event for assertions.

mod snapshot;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use transport_core::{
    Backend, CloseReason, Direction, Observer, ProxyResult, ProxyVersion, Queue, ReadyState,
    Reason, Scope, TaskKind, TlsHandshake,
};

pub use snapshot::Snapshot;

/// The longest wait for an event, above every deadline of tests.
const PATIENCE: Duration = Duration::from_secs(30);

/// Records the calls of [`Observer`].
///
/// A clone is cheap and shares the record.
#[derive(Debug, Clone, Default)]
pub struct Recorder(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    snapshot: Mutex<Snapshot>,
    changed: Notify,
}

impl Recorder {
    /// Creates an empty record.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the record as an observer.
    #[must_use]
    pub fn observer(&self) -> Arc<dyn Observer> {
        Arc::new(self.clone())
    }

    /// Returns a copy of the record.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.lock().clone()
    }

    /// Waits until the record satisfies `wanted`; every event wakes it.
    ///
    /// # Panics
    /// The condition was not met within half a minute; the message contains the record.
    pub async fn wait_for(&self, what: &str, wanted: impl Fn(&Snapshot) -> bool) {
        let come = async {
            loop {
                let changed = self.0.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if wanted(&self.lock()) {
                    return;
                }
                changed.await;
            }
        };
        if tokio::time::timeout(PATIENCE, come).await.is_err() {
            panic!("timeout: {what}\n{:#?}", self.snapshot());
        }
    }

    /// Returns the rejects with this reason.
    #[must_use]
    pub fn rejected(&self, reason: Reason) -> u64 {
        self.lock().rejected(reason)
    }

    /// Returns the bytes of this backend and direction.
    #[must_use]
    pub fn bytes(&self, backend: Backend, direction: Direction) -> u64 {
        self.lock().bytes(backend, direction)
    }

    /// Returns the open connections of all backends.
    #[must_use]
    pub fn inflight(&self) -> i64 {
        self.lock().inflight()
    }

    /// Returns the connections of all backends that ended with this reason.
    #[must_use]
    pub fn closes(&self, reason: CloseReason) -> u64 {
        self.lock().closes(reason)
    }

    /// Returns how long this scope has throttled operations.
    #[must_use]
    pub fn throttled(&self, scope: Scope, direction: Direction) -> Duration {
        self.lock().throttled(scope, direction)
    }

    /// Returns the bytes held for peers.
    #[must_use]
    pub fn memory_held(&self) -> i64 {
        self.lock().memory_held
    }

    /// Returns the raw accepts of all backends.
    #[must_use]
    pub fn accepts(&self) -> u64 {
        self.lock().accepts()
    }

    /// Returns the depth of a queue.
    #[must_use]
    pub fn queue_depth(&self, queue: Queue) -> i64 {
        self.lock().queue_depth(queue)
    }

    /// Returns the items that a queue dropped.
    #[must_use]
    pub fn queue_dropped(&self, queue: Queue) -> u64 {
        self.lock().queue_dropped(queue)
    }

    /// Returns the spawned tasks of this kind.
    #[must_use]
    pub fn tasks_spawned(&self, kind: TaskKind) -> u64 {
        self.lock().tasks_spawned(kind)
    }

    /// Returns the tasks of this kind that were aborted or panicked.
    #[must_use]
    pub fn tasks_aborted(&self, kind: TaskKind) -> u64 {
        self.lock().tasks_aborted(kind)
    }

    fn lock(&self) -> MutexGuard<'_, Snapshot> {
        self.0
            .snapshot
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, event: impl FnOnce(&mut Snapshot)) {
        event(&mut self.lock());
        self.0.changed.notify_waiters();
    }
}

impl Observer for Recorder {
    fn dialed(&self, backend: Backend, ok: bool) {
        self.record(|s| s.dials.add((backend, ok), 1));
    }

    fn accepted(&self, backend: Backend) {
        self.record(|s| s.accepts.add(backend, 1));
    }

    fn handshake(&self, backend: Backend, latency: Duration) {
        self.record(|s| s.handshakes.push((backend, latency)));
    }

    fn inflight(&self, backend: Backend, delta: i64) {
        self.record(|s| s.inflight.add(backend, delta));
    }

    fn closed(&self, backend: Backend, reason: CloseReason) {
        self.record(|s| s.closes.add((backend, reason), 1));
    }

    fn bytes(&self, backend: Backend, direction: Direction, bytes: u64) {
        self.record(|s| s.bytes.add((backend, direction), bytes));
    }

    fn io_size(&self, backend: Backend, direction: Direction, bytes: usize) {
        self.record(|s| s.io_sizes.push((backend, direction, bytes)));
    }

    fn rejected(&self, reason: Reason) {
        self.record(|s| s.rejected.add(reason, 1));
    }

    fn peers(&self, backend: Backend, tracked: usize, max_conns: usize) {
        self.record(|s| s.peers = Some((backend, tracked, max_conns)));
    }

    fn tls_handshake(&self, handshake: TlsHandshake) {
        self.record(|s| s.tls_handshakes.push(handshake));
    }

    fn proxy_header(&self, version: Option<ProxyVersion>, result: ProxyResult) {
        self.record(|s| s.proxy_headers.push((version, result)));
    }

    fn certificate_expiry(&self, not_after: SystemTime) {
        self.record(|s| s.certificate_expiry = Some(not_after));
    }

    fn crl_expiry(&self, next_update: Option<SystemTime>) {
        self.record(|s| s.crl_expiry = next_update);
    }

    fn throttled(&self, scope: Scope, direction: Direction, parked: Duration) {
        self.record(|s| s.throttled.add((scope, direction), parked));
    }

    fn memory_held(&self, delta: i64) {
        self.record(|s| s.memory_held += delta);
    }

    fn memory_limit(&self, bytes: u64) {
        self.record(|s| s.memory_limit = bytes);
    }

    fn queue_depth(&self, queue: Queue, delta: i64) {
        self.record(|s| s.queue_depth.add(queue, delta));
    }

    fn queue_dropped(&self, queue: Queue) {
        self.record(|s| s.queue_dropped.add(queue, 1));
    }

    fn task_spawned(&self, kind: TaskKind) {
        self.record(|s| s.tasks_spawned.add(kind, 1));
    }

    fn task_aborted(&self, kind: TaskKind) {
        self.record(|s| s.tasks_aborted.add(kind, 1));
    }

    fn readiness(&self, state: ReadyState) {
        self.record(|s| s.readiness.push(state));
    }

    fn reloaded(&self, ok: bool) {
        self.record(|s| s.reloads.push(ok));
    }

    fn arti_progress(&self, fraction: f64) {
        self.record(|s| s.arti_progress = fraction);
    }
}
