//! Every limit of ron-transport, and nothing that opens a socket: admission, token buckets,
//! [`Guard`] around raw listeners and dialers, [`GuardedIo`] with deadlines, pacing and byte
//! counts, frames, the inflation guard, and the [`relay()`] between two guarded streams.
//!
//! One place enforces each limit: rules for addresses, overload, accept rate, connection caps,
//! eviction and pending handshakes in admission, after the raw accept and before the handshake; dial and handshake deadlines in
//! [`Guard`]; read, write and idle deadlines, lifetime, rates and byte counts in [`GuardedIo`];
//! frame ceiling, chunks and inbox in [`FrameReader`] and [`FrameSender`]; held bytes in the memory
//! budget, which reader, sender and relay ask.

mod activity;
mod admission;
mod admission_rules;
pub mod bucket;
mod budget;
mod buffer;
mod cidr;
mod clock;
mod conn_settings;
mod conn_state;
mod control;
mod count_limit;
mod deadline;
mod ending;
mod event;
mod evict;
pub mod frame;
mod guard;
mod incoming;
mod inflation;
mod io;
mod limiter;
#[cfg(all(test, ron_loom))]
mod loom_models;
mod peers;
mod rates;
mod read_buf;
mod registry;
mod relay;
mod settings;
mod shared_bucket;
mod snapshot;
mod sync;
mod tasks;
mod threads;

pub use admission_rules::Decision;
pub use cidr::{IpPrefix, IpPrefixes};
pub use control::{AbortOnPanic, Busy, Control};
pub use frame::{framed, Chunk, FrameReader, FrameSender};
pub use guard::Guard;
pub use incoming::Incoming;
pub use inflation::{InflationGuard, InflationInput, InflationOutput, MAX_INFLATION};
pub use io::GuardedIo;
pub use limiter::Limiter;
pub use peers::PeerKey;
pub use relay::{echo, relay, relay_without_half_close, Leg, RelayError, Relayed, Side};
pub use settings::{ByteRates, Deadlines, Limits, Overflow};
pub use snapshot::ConnSnapshot;
pub use tasks::{CountedTask, Tasks};
pub use threads::Threads;
