//! A counted gate: at most so many inside at a time.

use crate::sync::{AtomicU64, Ordering};

/// How many are inside, and how many may be.
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

    /// Enters unless the gate is full. Who entered calls [`leave`](Self::leave) once.
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

    /// How many more may enter.
    pub(crate) fn free(&self) -> u64 {
        self.max().saturating_sub(self.inside())
    }

    /// A smaller maximum turns nobody out; it holds for the next to enter.
    pub(crate) fn set_max(&self, max: u64) {
        self.max.store(max, Ordering::Relaxed);
    }
}
