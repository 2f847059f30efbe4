//! The metrics table: the source of registration, buckets and documentation.

use metrics::Unit;
use transport_core::Backend;

use crate::{names, values};

/// The fixed properties of a metric.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// The help text, one sentence.
    pub help: &'static str,
    /// Counter, gauge or histogram.
    pub kind: MetricKind,
    /// The unit of its value; `None` for a level or a ratio.
    pub unit: Option<Unit>,
    /// Its labels, in order.
    pub labels: &'static [Label],
    /// The backend that it needs to exist.
    pub needs: Option<Backend>,
}

/// The type of a metric.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(clippy::exhaustive_enums)] // The facade has these three.
pub enum MetricKind {
    /// A value that never decreases.
    Counter,
    /// A value that goes up and down.
    Gauge,
    /// Buckets with these upper bounds, inclusive and ascending.
    Histogram(&'static [f64]),
}

/// A label and its possible values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
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

/// Buckets of read and write sizes, in bytes.
///
/// The powers of two from 1 KiB to 1 MiB.
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

/// All metrics, in the order of the documentation.
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
    PROXY_HEADERS,
    TLS_CERTIFICATE_EXPIRY,
    TLS_CRL_EXPIRY,
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

/// The label whose values are limited to the given backends.
pub(crate) const BACKEND_LABEL: &str = "backend";

const BACKEND: Label = label(BACKEND_LABEL, values::BACKEND);
const DIRECTION: Label = label("direction", values::DIRECTION);
const KIND: Label = label("kind", values::TASK);
const QUEUE: Label = label("queue", values::QUEUE);
const RESULT: Label = label("result", values::RESULT);

const fn label(name: &'static str, values: &'static [&'static str]) -> Label {
    Label { name, values }
}

/// Declares rows; `needs` names the backend that a metric needs.
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
    DIALS: MetricKind::Counter, Some(Unit::Count), [BACKEND, RESULT];
        "Dials that ended."
    ACCEPTS: MetricKind::Counter, Some(Unit::Count), [BACKEND];
        "Connections the raw accept yielded, those refused afterwards too."
    HANDSHAKE_LATENCY: MetricKind::Histogram(LATENCY_BUCKETS), Some(Unit::Seconds), [BACKEND];
        "Time from accept, or from the start of a dial's connect, to an established connection."
    CONN_INFLIGHT: MetricKind::Gauge, Some(Unit::Count), [BACKEND];
        "Connections in flight, dialed and accepted; an accepted one from its admission on."
    CLOSES: MetricKind::Counter, Some(Unit::Count), [BACKEND, label("reason", values::CLOSE_REASON)];
        "Connections that ended without a reject, by how they ended."
    BYTES_IN: MetricKind::Counter, Some(Unit::Bytes), [BACKEND];
        "Bytes that reads from peers returned."
    BYTES_OUT: MetricKind::Counter, Some(Unit::Bytes), [BACKEND];
        "Bytes that writes to peers accepted."
    IO_READ_SIZE: MetricKind::Histogram(IO_SIZE_BUCKETS), Some(Unit::Bytes), [BACKEND];
        "Size of single reads, one in 64 sampled."
    IO_WRITE_SIZE: MetricKind::Histogram(IO_SIZE_BUCKETS), Some(Unit::Bytes), [BACKEND];
        "Size of single writes, one in 64 sampled."
    REJECTED: MetricKind::Counter, Some(Unit::Count), [label("reason", values::REASON)];
        "Connections, frames and operations that were rejected."
    PEERS_TRACKED: MetricKind::Gauge, Some(Unit::Count), [BACKEND];
        "Entries of the per-peer table."
    PEER_CONNS_MAX: MetricKind::Gauge, Some(Unit::Count), [BACKEND];
        "Connections of the peer that has most."
    TLS_HANDSHAKES: MetricKind::Counter, Some(Unit::Count),
        [label("kx", values::KX), label("resumed", values::RESUMED), RESULT], needs Tls;
        "TLS handshakes that ended, by key exchange."
    PROXY_HEADERS: MetricKind::Counter, Some(Unit::Count),
        [label("version", values::PROXY_VERSION), label("result", values::PROXY_RESULT)];
        "Connections of trusted hops, by their PROXY header; refused peers that are not trusted too."
    TLS_CERTIFICATE_EXPIRY: MetricKind::Gauge, Some(Unit::Seconds), [], needs Tls;
        "When the certificate in use expires, as Unix time; 0 while none is loaded."
    TLS_CRL_EXPIRY: MetricKind::Gauge, Some(Unit::Seconds), [], needs Tls;
        "When the first CRL in use expires, as Unix time; 0 without CRLs."
    THROTTLE: MetricKind::Counter, Some(Unit::Seconds), [label("scope", values::SCOPE), DIRECTION];
        "Whole seconds that operations were parked because this scope's rate, or the memory budget, was spent."
    MEMORY_HELD: MetricKind::Gauge, Some(Unit::Bytes), [];
        "Bytes held for peers: frames, writer inboxes, remainders of relays; free chunks too."
    MEMORY_LIMIT: MetricKind::Gauge, Some(Unit::Bytes), [];
        "`limits.memory_bytes`: what may be held for peers beyond the free chunks."
    QUEUE_DEPTH: MetricKind::Gauge, Some(Unit::Count), [QUEUE];
        "Entries of all queues of this kind together."
    QUEUE_DROPPED: MetricKind::Counter, Some(Unit::Count), [QUEUE];
        "Entries refused because the queue was full."
    TASKS_SPAWNED: MetricKind::Counter, Some(Unit::Count), [KIND];
        "Tasks spawned."
    TASKS_ABORTED: MetricKind::Counter, Some(Unit::Count), [KIND];
        "Tasks that ended by cancellation or panic instead of returning."
    READINESS: MetricKind::Gauge, None, [];
        "0 not ready, 1 degraded, 2 ready."
    READINESS_TRANSITIONS: MetricKind::Counter, Some(Unit::Count),
        [label("state", values::STATE), label("reason", values::READY_REASON)];
        "Changes of readiness, by the state they led to and why."
    RELOADS: MetricKind::Counter, Some(Unit::Count), [label("result", values::RELOAD_RESULT)];
        "Reloads of the configuration, and renewals of TLS files without one, applied or rejected."
    ARTI_BOOTSTRAP_PROGRESS: MetricKind::Gauge, None, [], needs Arti;
        "Progress of Tor's bootstrap, 0 to 1."
}
