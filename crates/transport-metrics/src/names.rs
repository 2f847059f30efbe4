//! The names of the metrics.
//!
//! They are never renamed, since dashboards and alerts use them.

/// Dials that ended.
pub const DIALS: &str = "transport_dials_total";
/// Raw accepts, with those refused afterwards.
pub const ACCEPTS: &str = "transport_accepts_total";
/// Time to an established connection.
pub const HANDSHAKE_LATENCY: &str = "handshake_latency_seconds";
/// Connections in flight.
pub const CONN_INFLIGHT: &str = "conn_inflight";
/// Connections that ended without a reject.
pub const CLOSES: &str = "transport_closes_total";
/// Bytes read from peers.
pub const BYTES_IN: &str = "bytes_in_total";
/// Bytes written to peers.
pub const BYTES_OUT: &str = "bytes_out_total";
/// Sizes of sampled reads.
pub const IO_READ_SIZE: &str = "io_read_size_bytes";
/// Sizes of sampled writes.
pub const IO_WRITE_SIZE: &str = "io_write_size_bytes";
/// Rejected connections, frames and operations.
pub const REJECTED: &str = "rejected_total";
/// Entries of the per-peer table.
pub const PEERS_TRACKED: &str = "peers_tracked";
/// Most connections of one peer.
pub const PEER_CONNS_MAX: &str = "peer_conns_max";
/// TLS handshakes that ended.
pub const TLS_HANDSHAKES: &str = "tls_handshakes_total";
/// PROXY headers of accepted connections.
pub const PROXY_HEADERS: &str = "proxy_headers_total";
/// End of the loaded certificate's validity.
pub const TLS_CERTIFICATE_EXPIRY: &str = "tls_certificate_expiry_timestamp_seconds";
/// First `nextUpdate` of the loaded CRLs.
pub const TLS_CRL_EXPIRY: &str = "tls_crl_expiry_timestamp_seconds";
/// Time that operations were parked for lack of tokens or memory.
pub const THROTTLE: &str = "throttle_seconds_total";
/// Bytes held for peers.
pub const MEMORY_HELD: &str = "memory_held_bytes";
/// Limit of the bytes held for peers.
pub const MEMORY_LIMIT: &str = "memory_limit_bytes";
/// Depth of the bounded queues.
pub const QUEUE_DEPTH: &str = "queue_depth";
/// Entries that a full queue refused.
pub const QUEUE_DROPPED: &str = "queue_dropped_total";
/// Tasks spawned.
pub const TASKS_SPAWNED: &str = "tasks_spawned_total";
/// Tasks that ended by cancellation or panic.
pub const TASKS_ABORTED: &str = "tasks_aborted_total";
/// The readiness level.
pub const READINESS: &str = "transport_readiness";
/// Changes of readiness.
pub const READINESS_TRANSITIONS: &str = "transport_readiness_transitions_total";
/// Reloads of the configuration.
pub const RELOADS: &str = "transport_reloads_total";
/// Progress of Tor's bootstrap.
pub const ARTI_BOOTSTRAP_PROGRESS: &str = "arti_bootstrap_progress";

/// The label with the name of a transport.
pub const TRANSPORT_LABEL: &str = "transport";
