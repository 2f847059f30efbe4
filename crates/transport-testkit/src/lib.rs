//! What ron-transport's tests share, and nothing that ships: a backend in memory
//! ([`MemoryListener`], [`MemoryDialer`]), a [`Recorder`] of everything that is counted, and the
//! [`conformance!`] suite that every backend passes.

// A failed assertion is what this crate is for, and a test's tasks need no tracking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

pub mod conformance;
mod harness;
mod memory;
#[cfg(feature = "pki")]
pub mod pki;
mod recorder;

pub use harness::{Harness, Held, Opened};
pub use memory::{
    Handshake, MemoryDialer, MemoryHarness, MemoryIo, MemoryListener, MemoryPending, WriteLog,
};
pub use recorder::{Recorder, Snapshot};
