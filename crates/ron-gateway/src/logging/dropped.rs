//! The counter of dropped lines.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

/// Number of dropped lines. Clones share the count.
#[derive(Debug, Clone, Default)]
pub(crate) struct DroppedLines(Arc<DropCounts>);

#[derive(Debug, Default)]
struct DropCounts {
    total: AtomicU64,
    /// Dropped lines that no notice reports yet.
    unreported: AtomicU64,
}

impl DroppedLines {
    /// Returns the number of dropped lines since the start.
    pub(crate) fn total(&self) -> u64 {
        self.0.total.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, lines: u64) {
        self.0.total.fetch_add(lines, Ordering::Relaxed);
        self.add_unreported(lines);
    }

    /// Counts lines whose notice was lost.
    pub(super) fn add_unreported(&self, lines: u64) {
        self.0.unreported.fetch_add(lines, Ordering::Relaxed);
    }

    pub(super) fn has_unreported(&self) -> bool {
        self.0.unreported.load(Ordering::Relaxed) > 0
    }

    /// Takes the count for the next notice.
    pub(super) fn take_unreported(&self) -> u64 {
        match self.has_unreported() {
            true => self.0.unreported.swap(0, Ordering::Relaxed),
            false => 0,
        }
    }
}
