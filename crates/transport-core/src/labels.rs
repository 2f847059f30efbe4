//! The values of metric labels.

/// The direction of bytes, seen from this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums)] // A stream has two directions.
pub enum Direction {
    /// Read from the peer.
    In,
    /// Written to the peer.
    Out,
}

impl Direction {
    /// Both directions, in the order of the discriminants.
    pub const ALL: [Self; 2] = [Self::In, Self::Out];

    /// Returns the value of the metric label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

/// The cause that parks an operation: a rate, or the memory budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums)] // The limits must handle each of them.
pub enum Scope {
    /// The rate of one connection.
    Conn,
    /// The rate of all connections of one peer.
    Peer,
    /// The rate of all connections of the transport.
    Global,
    /// The memory budget.
    Memory,
}

impl Scope {
    /// All scopes, in the order of the discriminants.
    pub const ALL: [Self; 4] = [Self::Conn, Self::Peer, Self::Global, Self::Memory];
    /// The scopes of rates, in the order in which tokens are taken.
    pub const RATES: [Self; 3] = [Self::Conn, Self::Peer, Self::Global];

    /// Returns the value of the metric label.
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

/// The end of a connection; the label of `transport_closes_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// In order: either side ended its stream.
    Eof,
    /// The peer reset it.
    Reset,
    /// No byte in either direction for the idle timeout.
    Idle,
    /// The connection reached its maximal lifetime.
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
    /// A half-closed connection was silent for the half-close timeout.
    HalfClose,
    /// A new connection evicted it: it was idle at `max_conns`.
    Evicted,
}

impl CloseReason {
    /// All values, in the order of the discriminants.
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

    /// Returns the value of the metric label.
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

/// A bounded queue with metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Queue {
    /// Frames that wait for a connection's writer task.
    WriterInbox,
    /// Accepted connections whose handshake is under way.
    PendingHandshakes,
}

impl Queue {
    /// All queues, in the order of the discriminants.
    pub const ALL: [Self; 2] = [Self::WriterInbox, Self::PendingHandshakes];

    /// Returns the value of the metric label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WriterInbox => "writer_inbox",
            Self::PendingHandshakes => "pending_handshakes",
        }
    }
}

/// The purpose of a spawned task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TaskKind {
    /// The handshake of an admitted connection.
    Handshake,
    /// The single writer of a framed connection.
    Writer,
    /// The accept loop and connection handlers.
    Serve,
    /// The lingering close of a connection whose handler has returned.
    Linger,
}

impl TaskKind {
    /// All kinds, in the order of the discriminants.
    pub const ALL: [Self; 4] = [Self::Handshake, Self::Writer, Self::Serve, Self::Linger];

    /// Returns the value of the metric label.
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
