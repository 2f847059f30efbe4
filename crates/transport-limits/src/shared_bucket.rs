//! A bucket that operations take from, and how many of them wait for its tokens.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::bucket::TokenBucket;

#[derive(Debug, Default)]
pub(crate) struct SharedBucket {
    pub(crate) bucket: TokenBucket,
    waiting: AtomicU64,
}

impl SharedBucket {
    /// One more waits; returns how many did before.
    pub(crate) fn enter(&self) -> u64 {
        self.waiting.fetch_add(1, Ordering::Relaxed)
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    pub(crate) fn leave(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
