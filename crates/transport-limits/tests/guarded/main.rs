//! Tests of the guard, in memory and with paused time.

// Tests may panic, and their tasks need no tracking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

mod accept;
mod admission;
mod bulk;
mod deadlines;
mod events;
mod eviction_reload;
mod fairness;
mod flush;
mod frames;
mod handles;
mod harness;
mod hostile;
mod memory;
mod reload;
mod shared;
mod shared_evict;
mod throttling;
mod upgrade;
mod vectored;
mod watchers;
mod without_half_close;
