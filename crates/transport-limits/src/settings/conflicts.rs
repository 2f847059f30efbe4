//! Rules that span several limits.

use transport_core::schema::{format_duration, format_size, ValueError};

use super::Limits;

/// `memory_bytes` holds at least this many of the largest frames.
const FRAMES_OF_MEMORY: u64 = 4;

impl Limits {
    /// Returns the smallest byte rate, rounded up.
    ///
    /// It lets one chunk pass within the shorter of the read and write deadlines.
    #[must_use]
    pub fn min_rate(&self) -> u64 {
        let shortest = self.deadlines.read.min(self.deadlines.write);
        let chunk = (self.chunk_bytes as u128) * 1000;
        let rate = chunk.div_ceil(shortest.as_millis().max(1));
        u64::try_from(rate).unwrap_or(u64::MAX)
    }
}

/// Returns every conflict: the key at fault, and the reason.
pub(super) fn find(limits: &Limits) -> Vec<(&'static str, ValueError)> {
    let mut conflicts = Vec::new();
    if limits.chunk_bytes > limits.max_frame_bytes {
        let max = format_size(limits.max_frame_bytes as u64);
        let text = format!("must be at most limits.max_frame_bytes ({max})");
        conflicts.push(("limits.chunk_bytes", ValueError::new(text)));
    }
    let least = FRAMES_OF_MEMORY * limits.max_frame_bytes as u64;
    if limits.memory_bytes < least {
        let text = format!(
            "must be at least {FRAMES_OF_MEMORY} times limits.max_frame_bytes ({}), so that a \
             peer's quarter holds a frame",
            format_size(least),
        );
        conflicts.push(("limits.memory_bytes", ValueError::new(text)));
    }
    let (min, rates) = (limits.min_rate(), limits.rates);
    for (path, rate) in [
        ("rates.per_conn_bytes_per_sec", rates.per_conn),
        ("rates.per_peer_bytes_per_sec", rates.per_peer),
        ("rates.global_ingress_bytes_per_sec", rates.global_ingress),
        ("rates.global_egress_bytes_per_sec", rates.global_egress),
    ] {
        if rate != 0 && rate < min {
            let text = format!(
                "must be 0 (off) or at least {min}, so that limits.chunk_bytes ({}) pass within \
                 the shorter of read_timeout and write_timeout ({})",
                format_size(limits.chunk_bytes as u64),
                format_duration(limits.deadlines.read.min(limits.deadlines.write)),
            );
            conflicts.push((path, ValueError::new(text)));
        }
    }
    conflicts
}
