//! Tests of the guard, in memory and with paused time.

// Tests may panic, and their tasks need no tracking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

mod accept;
mod admission;
mod bulk;
mod closing;
mod deadlines;
mod debug_events;
mod events;
mod eviction_order;
mod eviction_reload;
mod fairness;
mod flush;
mod frames;
mod handles;
mod harness;
mod hop;
mod hostile;
mod late_bytes;
mod limiter;
mod memory;
mod memory_reads;
mod memory_sends;
mod relay_clocks;
mod relay_to_foreign;
mod relays;
mod reload;
mod scripted;
mod scripted_ends;
mod shared;
mod shared_ends;
mod shared_evict;
mod stream_below;
mod throttle_ticks;
mod throttling;
mod upgrade;
mod upgrade_share;
mod vectored;
mod watchers;
mod without_half_close;
