//! The private Tor network: it comes up whole, goes away and comes back as it was, and leaves
//! nothing behind, however its owner ends.
//!
//! Each network of a test is its own; they run side by side, as a test run's do.

#![cfg(target_os = "linux")]
// A test may fail, and waits by the clock for other processes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

mod by_hand;
mod outage;
mod owner;
mod processes;
mod up;
