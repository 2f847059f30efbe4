//! The upstream targets of a listener: selection, dials, and rests after failures.
//!
//! The decisions are in `table`, without I/O and without a clock. Each connection tries the
//! targets in turn until one answers; nothing is retried after that, so no byte is sent twice.

mod backoff;
mod pool;
mod table;

pub(crate) use pool::{TargetStatus, UpstreamPool};

/// Largest number of targets of a listener. It bounds the label `target_index`.
pub(crate) const MAX_TARGETS: usize = 64;
