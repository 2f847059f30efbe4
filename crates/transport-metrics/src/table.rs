//! The table that registration, buckets and documentation are derived from.

use metrics::Unit;
use transport_core::Backend;

use crate::{names, values};

/// One metric: everything about it that is fixed.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What it measures, in a sentence.
    pub help: &'static str,
    /// Counter, gauge or histogram.
    pub kind: Kind,
    /// The unit of its value; `None` for a level or a ratio.
    pub unit: Option<Unit>,
    /// Its labels, in order.
    pub labels: &'static [Label],
    /// The backend without which it does not exist.
    pub needs: Option<Backend>,
}

/// The type of a metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Only ever grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts values into buckets with these upper bounds, inclusive and ascending.
    Histogram(&'static [f64]),
}

/// A label and all the values it can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// Its possible values.
    pub values: &'static [&'static str],
}

/// Buckets of the handshake latency, in seconds.
pub const LATENCY_BUCKETS: &[f64] = &[
    0.01, 0.025, 0.05, 0.08, 0.1, 0.2, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0,
];

/// Buckets of read and write sizes, in bytes: the powers of two from 1 KiB to 1 MiB.
pub const IO_SIZE_BUCKETS: &[f64] = &[
    1024.0,
    2048.0,
    4096.0,
    8192.0,
    16384.0,
    32768.0,
    65536.0,
    131_072.0,
    262_144.0,
    524_288.0,
    1_048_576.0,
];

/// Every metric, in the order of the documentation.
pub const METRICS: &[Metric] = &[
    DIALS,
    ACCEPTS,
    HANDSHAKE_LATENCY,
    CONN_INFLIGHT,
    CLOSES,
    BYTES_IN,
    BYTES_OUT,
    IO_READ_SIZE,
    IO_WRITE_SIZE,
    REJECTED,
    PEERS_TRACKED,
    PEER_CONNS_MAX,
    TLS_HANDSHAKES,
    TLS_CERTIFICATE_EXPIRY,
    THROTTLE,
    MEMORY_HELD,
    MEMORY_LIMIT,
    QUEUE_DEPTH,
    QUEUE_DROPPED,
    TASKS_SPAWNED,
    TASKS_ABORTED,
    READINESS,
    READINESS_TRANSITIONS,
    RELOADS,
    ARTI_BOOTSTRAP_PROGRESS,
];

/// The name of the label that is restricted to the given backends.
pub(crate) const BACKEND_LABEL: &str = "backend";

const BACKEND: Label = label(BACKEND_LABEL, values::BACKEND);
const DIRECTION: Label = label("direction", values::DIRECTION);
const KIND: Label = label("kind", values::TASK);
const QUEUE: Label = label("queue", values::QUEUE);
const RESULT: Label = label("result", values::RESULT);

const fn label(name: &'static str, values: &'static [&'static str]) -> Label {
    Label { name, values }
}

/// Declares rows; `needs` where a backend must be there.
macro_rules! rows {
    ($($row:ident: $kind:expr, $unit:expr, [$($label:expr),*] $(, needs $needs:ident)?; $help:literal)*) => {
        $(pub(crate) const $row: Metric = Metric {
            name: names::$row,
            help: $help,
            kind: $kind,
            unit: $unit,
            labels: &[$($label),*],
            needs: rows!(@needs $($needs)?),
        };)*
    };
    (@needs) => { None };
    (@needs $needs:ident) => { Some(Backend::$needs) };
}

rows! {
    DIALS: Kind::Counter, Some(Unit::Count), [BACKEND, RESULT];
        "Dials that ended."
    ACCEPTS: Kind::Counter, Some(Unit::Count), [BACKEND];
        "Connections the raw accept yielded, those refused afterwards too."
    HANDSHAKE_LATENCY: Kind::Histogram(LATENCY_BUCKETS), Some(Unit::Seconds), [BACKEND];
        "Time from accept, or from the start of a dial's connect, to an established connection."
    CONN_INFLIGHT: Kind::Gauge, Some(Unit::Count), [BACKEND];
        "Connections in flight, dialed and accepted; an accepted one from its admission on."
    CLOSES: Kind::Counter, Some(Unit::Count), [BACKEND, label("reason", values::CLOSE_REASON)];
        "Connections that ended without a reject, by how they ended."
    BYTES_IN: Kind::Counter, Some(Unit::Bytes), [BACKEND];
        "Bytes that reads from peers returned."
    BYTES_OUT: Kind::Counter, Some(Unit::Bytes), [BACKEND];
        "Bytes that writes to peers accepted."
    IO_READ_SIZE: Kind::Histogram(IO_SIZE_BUCKETS), Some(Unit::Bytes), [BACKEND];
        "Size of single reads, one in 64 sampled."
    IO_WRITE_SIZE: Kind::Histogram(IO_SIZE_BUCKETS), Some(Unit::Bytes), [BACKEND];
        "Size of single writes, one in 64 sampled."
    REJECTED: Kind::Counter, Some(Unit::Count), [label("reason", values::REASON)];
        "Connections, frames and operations that were rejected."
    PEERS_TRACKED: Kind::Gauge, Some(Unit::Count), [BACKEND];
        "Entries of the per-peer table."
    PEER_CONNS_MAX: Kind::Gauge, Some(Unit::Count), [BACKEND];
        "Connections of the peer that has most."
    TLS_HANDSHAKES: Kind::Counter, Some(Unit::Count),
        [label("kx", values::KX), label("resumed", values::RESUMED), RESULT], needs Tls;
        "TLS handshakes that ended, by key exchange."
    TLS_CERTIFICATE_EXPIRY: Kind::Gauge, Some(Unit::Seconds), [], needs Tls;
        "When the certificate in use expires, as Unix time; 0 while none is loaded."
    THROTTLE: Kind::Counter, Some(Unit::Seconds), [label("scope", values::SCOPE), DIRECTION];
        "Whole seconds that operations were parked because this scope's rate, or the memory budget, was spent."
    MEMORY_HELD: Kind::Gauge, Some(Unit::Bytes), [];
        "Bytes held for peers: frames, writer inboxes, remainders of relays; free chunks too."
    MEMORY_LIMIT: Kind::Gauge, Some(Unit::Bytes), [];
        "`limits.memory_bytes`: what may be held for peers beyond the free chunks."
    QUEUE_DEPTH: Kind::Gauge, Some(Unit::Count), [QUEUE];
        "Entries of all queues of this kind together."
    QUEUE_DROPPED: Kind::Counter, Some(Unit::Count), [QUEUE];
        "Entries refused because the queue was full."
    TASKS_SPAWNED: Kind::Counter, Some(Unit::Count), [KIND];
        "Tasks spawned."
    TASKS_ABORTED: Kind::Counter, Some(Unit::Count), [KIND];
        "Tasks that ended by cancellation or panic instead of returning."
    READINESS: Kind::Gauge, None, [];
        "0 not ready, 1 degraded, 2 ready."
    READINESS_TRANSITIONS: Kind::Counter, Some(Unit::Count),
        [label("state", values::STATE), label("reason", values::READY_REASON)];
        "Changes of readiness, by the state they led to and why."
    RELOADS: Kind::Counter, Some(Unit::Count), [label("result", values::RELOAD_RESULT)];
        "Reloads of the configuration, and renewals of TLS files without one, applied or rejected."
    ARTI_BOOTSTRAP_PROGRESS: Kind::Gauge, None, [], needs Arti;
        "Progress of Tor's bootstrap, 0 to 1."
}
