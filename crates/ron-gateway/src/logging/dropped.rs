//! DropCounts the lines that were not written.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

/// How many lines were dropped. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct DroppedLines(Arc<DropCounts>);

#[derive(Debug, Default)]
struct DropCounts {
    total: AtomicU64,
    /// Those that no line of the log tells of yet.
    unreported: AtomicU64,
}

impl DroppedLines {
    /// All since the start.
    pub(crate) fn total(&self) -> u64 {
        self.0.total.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, lines: u64) {
        self.0.total.fetch_add(lines, Ordering::Relaxed);
        self.add_unreported(lines);
    }

    /// DropCounts as not told again.
    pub(super) fn add_unreported(&self, lines: u64) {
        self.0.unreported.fetch_add(lines, Ordering::Relaxed);
    }

    pub(super) fn has_unreported(&self) -> bool {
        self.0.unreported.load(Ordering::Relaxed) > 0
    }

    /// Those that the next notice tells of.
    pub(super) fn take_unreported(&self) -> u64 {
        match self.has_unreported() {
            true => self.0.unreported.swap(0, Ordering::Relaxed),
            false => 0,
        }
    }
}
