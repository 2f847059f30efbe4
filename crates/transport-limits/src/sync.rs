//! Atomics, locks and threads that loom replaces in model tests.

#[cfg(not(ron_loom))]
pub(crate) use atomic_waker::AtomicWaker;
#[cfg(not(ron_loom))]
pub(crate) use core::sync::atomic::{AtomicBool, AtomicU64, AtomicU8, Ordering};
#[cfg(not(ron_loom))]
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};
#[cfg(not(ron_loom))]
pub(crate) use std::thread;

#[cfg(ron_loom)]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU64, AtomicU8, Ordering};
#[cfg(ron_loom)]
pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};
#[cfg(ron_loom)]
pub(crate) use loom::thread;

/// A slot for a waker, as of the crate of that name.
///
/// Loom's own spins, which multiplies the interleavings.
#[cfg(ron_loom)]
#[derive(Debug, Default)]
pub(crate) struct AtomicWaker(Mutex<Option<std::task::Waker>>);

#[cfg(ron_loom)]
impl AtomicWaker {
    pub(crate) fn register(&self, waker: &std::task::Waker) {
        let waker = Some(waker.clone());
        *self.lock() = waker;
    }

    pub(crate) fn wake(&self) {
        let waker = self.lock().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<std::task::Waker>> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
