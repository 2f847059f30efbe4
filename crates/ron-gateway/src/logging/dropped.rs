//! Counts the lines that were not written.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

/// How many lines were dropped. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Dropped(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    total: AtomicU64,
    /// Those that no line of the log tells of yet.
    untold: AtomicU64,
}

impl Dropped {
    /// All since the start.
    pub(crate) fn total(&self) -> u64 {
        self.0.total.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, lines: u64) {
        self.0.total.fetch_add(lines, Ordering::Relaxed);
        self.owe(lines);
    }

    /// Counts as not told again.
    pub(super) fn owe(&self, lines: u64) {
        self.0.untold.fetch_add(lines, Ordering::Relaxed);
    }

    pub(super) fn owes_notice(&self) -> bool {
        self.0.untold.load(Ordering::Relaxed) > 0
    }

    /// Those that the next notice tells of.
    pub(super) fn take_untold(&self) -> u64 {
        match self.owes_notice() {
            true => self.0.untold.swap(0, Ordering::Relaxed),
            false => 0,
        }
    }
}
