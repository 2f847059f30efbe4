//! The atomics that loom can take over: everything lock-free in this crate goes through here.

#[cfg(not(ron_loom))]
pub(crate) use core::sync::atomic::{AtomicU64, Ordering};

#[cfg(ron_loom)]
pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};
