//! A token bucket with a count of waiting operations.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::bucket::TokenBucket;

#[derive(Debug, Default)]
pub(crate) struct SharedBucket {
    pub(crate) bucket: TokenBucket,
    waiting: AtomicU64,
}

impl SharedBucket {
    /// Counts one more waiter; returns how many there were before.
    pub(crate) fn enter(&self) -> u64 {
        self.waiting.fetch_add(1, Ordering::Relaxed)
    }

    /// Returns the number of waiters.
    pub(crate) fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    pub(crate) fn leave(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
