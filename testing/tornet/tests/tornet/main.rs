//! The private Tor network: start, stop, outage, and clean-up.
//!
//! Each test has a network of its own, and the tests run in parallel.

#![cfg(target_os = "linux")]
// A test may fail, and waits by the clock for other processes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

mod by_hand;
mod outage;
mod owner;
mod processes;
mod up;
