//! The seam between the transport and whoever counts: one trait, no metrics crate.

use std::time::{Duration, SystemTime};

use crate::{Backend, KeyExchange, ReadyState, Reason};

/// Which way bytes go, seen from this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Read from the peer.
    In,
    /// Written to the peer.
    Out,
}

impl Direction {
    /// Both directions, in the order of their discriminants.
    pub const ALL: [Self; 2] = [Self::In, Self::Out];

    /// The metric label's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

/// What parks an operation: a rate, by what shares it, or the memory budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// One connection.
    Conn,
    /// All connections of one peer.
    Peer,
    /// All connections of the transport.
    Global,
    /// The memory budget.
    Memory,
}

impl Scope {
    /// Every scope, in the order of the discriminants.
    pub const ALL: [Self; 4] = [Self::Conn, Self::Peer, Self::Global, Self::Memory];
    /// The scopes of rates, in the order tokens are taken.
    pub const RATES: [Self; 3] = [Self::Conn, Self::Peer, Self::Global];

    /// The metric label's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Conn => "conn",
            Self::Peer => "peer",
            Self::Global => "global",
            Self::Memory => "memory",
        }
    }
}

/// How a connection ended; the label of `transport_closes_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// In order: the peer's end of stream, or ours.
    Eof,
    /// The peer reset it.
    Reset,
    /// No byte in either direction for the idle timeout.
    Idle,
    /// It reached its maximal lifetime.
    Lifetime,
    /// A read or write deadline passed.
    Timeout,
    /// A TLS stream was cut without `close_notify`.
    Truncated,
    /// The embedder or a shutdown cancelled it.
    Cancelled,
    /// Any other error.
    Error,
    /// The other leg of its relay failed.
    PeerFailed,
    /// One direction had ended, and the other was silent for the half-close timeout.
    HalfClose,
    /// It was idle at `max_conns`, and a new connection took its place.
    Evicted,
}

impl CloseReason {
    /// Every value, in the order of the discriminants.
    pub const ALL: [Self; 11] = [
        Self::Eof,
        Self::Reset,
        Self::Idle,
        Self::Lifetime,
        Self::Timeout,
        Self::Truncated,
        Self::Cancelled,
        Self::Error,
        Self::PeerFailed,
        Self::HalfClose,
        Self::Evicted,
    ];

    /// The metric label's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Eof => "eof",
            Self::Reset => "reset",
            Self::Idle => "idle",
            Self::Lifetime => "lifetime",
            Self::Timeout => "timeout",
            Self::Truncated => "truncated",
            Self::Cancelled => "cancelled",
            Self::Error => "error",
            Self::PeerFailed => "peer_failed",
            Self::HalfClose => "half_close",
            Self::Evicted => "evicted",
        }
    }
}

/// A bounded queue that is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Queue {
    /// Frames waiting for a connection's writer task.
    WriterInbox,
    /// Accepted connections whose handshake is under way.
    PendingHandshakes,
}

impl Queue {
    /// Every queue, in the order of the discriminants.
    pub const ALL: [Self; 2] = [Self::WriterInbox, Self::PendingHandshakes];

    /// The metric label's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WriterInbox => "writer_inbox",
            Self::PendingHandshakes => "pending_handshakes",
        }
    }
}

/// What a spawned task is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TaskKind {
    /// Admitted connection on its way to being established.
    Handshake,
    /// The single writer of a framed connection.
    Writer,
    /// Accept loop and connection handlers.
    Serve,
    /// Lingering close of a connection whose handler is done.
    Linger,
}

impl TaskKind {
    /// Every kind, in the order of the discriminants.
    pub const ALL: [Self; 4] = [Self::Handshake, Self::Writer, Self::Serve, Self::Linger];

    /// The metric label's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::Writer => "writer",
            Self::Serve => "serve",
            Self::Linger => "linger",
        }
    }
}

/// One finished TLS handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TlsHandshake {
    /// The negotiated group.
    pub kx: KeyExchange,
    /// Whether a session was resumed.
    pub resumed: bool,
    /// Whether it succeeded.
    pub ok: bool,
}

/// Receives what the transport counts. Calls come from hot paths: an implementation must not
/// block, lock or look anything up. Every method does nothing unless overridden.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use transport_core::{Observer, Reason};
///
/// /// Counts rejects.
/// #[derive(Default)]
/// struct Rejects(AtomicU64);
///
/// impl Observer for Rejects {
///     fn rejected(&self, _reason: Reason) {
///         self.0.fetch_add(1, Ordering::Relaxed);
///     }
/// }
///
/// let rejects = Rejects::default();
/// rejects.rejected(Reason::ConnLimit);
/// assert_eq!(rejects.0.into_inner(), 1);
/// ```
#[allow(unused_variables)]
pub trait Observer: Send + Sync + 'static {
    /// A dial ended.
    fn dialed(&self, backend: Backend, ok: bool) {}
    /// The raw accept yielded a connection; refused ones are counted too.
    fn accepted(&self, backend: Backend) {}
    /// A handshake, or a dial's connect and handshake, succeeded after this long.
    fn handshake(&self, backend: Backend, latency: Duration) {}
    /// Connections in flight changed by `delta`.
    fn inflight(&self, backend: Backend, delta: i64) {}
    /// An admitted connection ended that was not rejected: an established one, or one whose peer left
    /// before the handshake began.
    fn closed(&self, backend: Backend, reason: CloseReason) {}
    /// Bytes were read from or written to peers: a delta, exact in sum.
    fn bytes(&self, backend: Backend, direction: Direction, bytes: u64) {}
    /// One sampled read or write moved this many bytes.
    fn io_size(&self, backend: Backend, direction: Direction, bytes: usize) {}
    /// Something was rejected.
    fn rejected(&self, reason: Reason) {}
    /// The per-peer table: entries, and the connections of the peer that has most.
    fn peers(&self, backend: Backend, tracked: usize, max_conns: usize) {}
    /// A TLS handshake ended.
    fn tls_handshake(&self, handshake: TlsHandshake) {}
    /// A certificate was loaded that is valid until then.
    fn certificate_expiry(&self, not_after: SystemTime) {}
    /// An operation was parked for this long because this scope was short.
    fn throttled(&self, scope: Scope, direction: Direction, parked: Duration) {}
    /// The bytes held for peers changed by `delta`.
    fn memory_held(&self, delta: i64) {}
    /// The bytes that may be held for peers are now so many.
    fn memory_limit(&self, bytes: u64) {}
    /// A queue's depth changed by `delta`.
    fn queue_depth(&self, queue: Queue, delta: i64) {}
    /// Something was not queued because the queue was full.
    fn queue_dropped(&self, queue: Queue) {}
    /// A task was spawned.
    fn task_spawned(&self, kind: TaskKind) {}
    /// A task ended by cancellation or panic instead of returning.
    fn task_aborted(&self, kind: TaskKind) {}
    /// Readiness changed to this state.
    fn readiness(&self, state: ReadyState) {}
    /// A reload was applied (`true`) or rejected.
    fn reloaded(&self, ok: bool) {}
    /// Tor bootstrap progress, 0 to 1.
    fn arti_progress(&self, fraction: f64) {}
}

/// Counts nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoObserver;

impl Observer for NoObserver {}
