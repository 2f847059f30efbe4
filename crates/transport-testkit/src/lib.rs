//! Test support for `ron-transport`, and for backends of other projects.
//!
//! - [`conformance!`] runs the suite that every backend must pass, on a [`Harness`] of the backend.
//! - [`MemoryListener`] and [`MemoryDialer`] are a backend without sockets, for tests with paused
//!   time.
//! - [`Recorder`] is an observer that records every event, and waits for events.
//! - `pki`, with the feature of that name, makes certificates, keys and CRLs.
//!
//! # Testing a backend
//!
//! Implement [`Harness`] for the backend, and let `tests/conformance.rs` run the suite:
//!
//! ```
//! use transport_core::{Backend, Target};
//! use transport_testkit::{Harness, MemoryDialer, MemoryListener, Opened};
//!
//! struct MyHarness;
//!
//! impl Harness for MyHarness {
//!     type Listener = MemoryListener;
//!     type Dialer = MemoryDialer;
//!
//!     async fn open(&self) -> Opened<MemoryListener, MemoryDialer> {
//!         let (listener, dialer) = MemoryListener::bind(Backend::Tcp);
//!         let target = Target::host("memory", 1).unwrap();
//!         Opened { listener, dialer, target }
//!     }
//! }
//!
//! transport_testkit::conformance!(MyHarness);
//! # fn main() {}
//! ```
//!
//! [`transport_core::contract`] has the rules; a failed case of the contract names its rule. The package
//! of the backend can be anywhere.
//!
//! The test needs `tokio` with the features `macros`, `rt-multi-thread` and `test-util`.
#![cfg_attr(docsrs, feature(doc_cfg))]
// A failed assertion is the purpose of this crate, and tasks of a test need no tracking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

pub mod conformance;
mod harness;
mod memory;
#[cfg(feature = "pki")]
#[cfg_attr(docsrs, doc(cfg(feature = "pki")))]
pub mod pki;
mod recorder;
mod runtimes;

pub use harness::{Harness, Held, Opened};
pub use memory::{
    Handshake, MemoryDialer, MemoryHarness, MemoryIo, MemoryListener, MemoryPending, WriteLog,
};
pub use recorder::{Recorder, Snapshot};
