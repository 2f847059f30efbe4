//! The trait through which a transport reports events, without a metrics crate.

use std::time::{Duration, SystemTime};

use crate::{
    Backend, CloseReason, Direction, KeyExchange, ProxyResult, ProxyVersion, Queue, ReadyState,
    Reason, Scope, TaskKind,
};

/// A finished TLS handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs)] // Backends construct it.
pub struct TlsHandshake {
    /// The negotiated key exchange group.
    pub kx: KeyExchange,
    /// Whether a session was resumed.
    pub resumed: bool,
    /// Whether it succeeded.
    pub ok: bool,
}

/// Receives the events of a transport, for metrics.
///
/// Hot paths call it: an implementation must not block, take a lock or look anything up. The default
/// of every method does nothing.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use transport_core::{Backend, Observer};
///
/// #[derive(Default)]
/// struct Accepts(AtomicU64);
///
/// impl Observer for Accepts {
///     fn accepted(&self, _backend: Backend) {
///         self.0.fetch_add(1, Ordering::Relaxed);
///     }
/// }
/// ```
#[allow(unused_variables)]
pub trait Observer: Send + Sync + 'static {
    /// Reports the end of a dial.
    fn dialed(&self, backend: Backend, ok: bool) {}
    /// Reports a connection from the raw accept, before any refusal.
    fn accepted(&self, backend: Backend) {}
    /// Reports the duration of a handshake.
    ///
    /// For a dial, the duration covers the connect and the handshake.
    fn handshake(&self, backend: Backend, latency: Duration) {}
    /// Reports a change of the connections in flight.
    fn inflight(&self, backend: Backend, delta: i64) {}
    /// Reports the end of an admitted connection that was not rejected.
    ///
    /// It was established, its peer left before the handshake began, or a drain cut its handshake.
    fn closed(&self, backend: Backend, reason: CloseReason) {}
    /// Reports bytes read from or written to peers.
    ///
    /// The value is a delta; the sum of all is exact.
    fn bytes(&self, backend: Backend, direction: Direction, bytes: u64) {}
    /// Reports the size of one sampled read or write.
    fn io_size(&self, backend: Backend, direction: Direction, bytes: usize) {}
    /// Reports a rejected connection, frame or operation.
    fn rejected(&self, reason: Reason) {}
    /// Reports the size of the per-peer table.
    ///
    /// `tracked` counts its entries; `max_conns` is the largest number of connections of one peer.
    fn peers(&self, backend: Backend, tracked: usize, max_conns: usize) {}
    /// Reports the end of a TLS handshake.
    fn tls_handshake(&self, handshake: TlsHandshake) {}
    /// Reports the outcome of a PROXY header on an accepted connection.
    ///
    /// The version is `None` if the connection ended before it was known.
    fn proxy_header(&self, version: Option<ProxyVersion>, result: ProxyResult) {}
    /// Reports the end of validity of the certificate in force.
    ///
    /// The Unix epoch if it is unknown.
    fn certificate_expiry(&self, not_after: SystemTime) {}
    /// Reports when the first loaded CRL expires; `None` without CRLs.
    fn crl_expiry(&self, next_update: Option<SystemTime>) {}
    /// Reports the time that an operation was throttled.
    ///
    /// It waited for tokens or memory.
    fn throttled(&self, scope: Scope, direction: Direction, parked: Duration) {}
    /// Reports a change of the bytes held for peers.
    fn memory_held(&self, delta: i64) {}
    /// Reports the limit of the bytes held for peers.
    fn memory_limit(&self, bytes: u64) {}
    /// Reports a change of a queue's depth.
    fn queue_depth(&self, queue: Queue, delta: i64) {}
    /// Reports an entry that a full queue refused.
    fn queue_dropped(&self, queue: Queue) {}
    /// Reports a spawned task.
    fn task_spawned(&self, kind: TaskKind) {}
    /// Reports a task that ended by cancellation or panic.
    fn task_aborted(&self, kind: TaskKind) {}
    /// Reports a change of readiness.
    fn readiness(&self, state: ReadyState) {}
    /// Reports an applied (`true`) or rejected reload.
    fn reloaded(&self, ok: bool) {}
    /// Reports the progress of Tor's bootstrap, 0 to 1.
    fn arti_progress(&self, fraction: f64) {}
}

/// An observer that ignores all events.
#[derive(Debug, Clone, Copy, Default)]
#[allow(clippy::exhaustive_structs)] // A unit.
pub struct NoObserver;

impl Observer for NoObserver {}
