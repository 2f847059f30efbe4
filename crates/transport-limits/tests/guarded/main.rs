//! What the guard does beyond the conformance suite: exact, in memory and with paused time.

// A test may fail, and its tasks need no tracking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

mod accept;
mod clocks;
mod entry;
mod events;
mod frames;
mod harness;
mod hostile;
mod memory;
mod reload;
mod throttling;
mod turns;
mod vectored;
mod without_half_close;
