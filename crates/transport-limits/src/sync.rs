//! Atomics and locks that loom replaces in model tests.

#[cfg(not(ron_loom))]
pub(crate) use core::sync::atomic::{AtomicBool, AtomicU64, AtomicU8, Ordering};
#[cfg(not(ron_loom))]
pub(crate) use std::sync::{Mutex, MutexGuard};

#[cfg(ron_loom)]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU64, AtomicU8, Ordering};
#[cfg(ron_loom)]
pub(crate) use loom::sync::{Mutex, MutexGuard};
