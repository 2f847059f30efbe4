//! An atomic count with a maximum.

use crate::sync::{AtomicU64, Ordering};

/// A number of holders with a maximum.
#[derive(Debug)]
pub(crate) struct CountLimit {
    inside: AtomicU64,
    max: AtomicU64,
}

impl CountLimit {
    pub(crate) fn new(max: u64) -> Self {
        Self {
            inside: AtomicU64::new(0),
            max: AtomicU64::new(max),
        }
    }

    /// Enters unless the limit is reached.
    ///
    /// One [`leave`](Self::leave) follows a `true`.
    pub(crate) fn enter(&self) -> bool {
        let max = self.max.load(Ordering::Relaxed);
        let mut inside = self.inside.load(Ordering::Relaxed);
        while inside < max {
            let next = inside + 1;
            match self.inside.compare_exchange_weak(
                inside,
                next,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(current) => inside = current,
            }
        }
        false
    }

    pub(crate) fn leave(&self) {
        self.inside.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn inside(&self) -> u64 {
        self.inside.load(Ordering::Relaxed)
    }

    pub(crate) fn max(&self) -> u64 {
        self.max.load(Ordering::Relaxed)
    }

    /// Returns how many more may enter.
    pub(crate) fn free(&self) -> u64 {
        self.max().saturating_sub(self.inside())
    }

    /// Changes the maximum. Holders over a smaller one stay.
    pub(crate) fn set_max(&self, max: u64) {
        self.max.store(max, Ordering::Relaxed);
    }
}
