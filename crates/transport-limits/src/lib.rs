//! The limits of ron-transport, without any socket.
//!
//! [`Guard`] wraps a raw listener or dialer, and [`GuardedIo`] the streams it yields. The crate also
//! has length-prefixed frames ([`framed`]), a guard for decompressors ([`InflationGuard`]) and
//! [`relay()`], which joins two guarded streams.
//!
//! One place enforces each limit:
//!
//! | limit | enforced in |
//! |---|---|
//! | address rules, overload, accept rates, connection caps, eviction, pending handshakes | admission, after the raw accept and before the handshake |
//! | dial and handshake deadlines | [`Guard`] and [`Admitted`] |
//! | read, write, idle, half-close deadlines, lifetime, byte rates, byte counts | [`GuardedIo`] |
//! | frame ceiling, chunks, inbox | [`FrameReader`] and [`FrameSender`] |
//! | held bytes | the memory budget, which frame reader, frame sender and relay charge |

mod activity;
mod admission;
mod admission_rules;
mod admit;
mod admit_hop;
mod admitted;
pub mod bucket;
mod budget;
mod buffer;
mod ceilings;
mod cidr;
mod clock;
mod conn_settings;
mod conn_state;
mod control;
mod core;
mod count_limit;
mod deadline;
mod end_watcher;
mod ending;
mod establish;
mod event;
mod evict;
pub mod frame;
mod grace;
mod guard;
mod identify;
mod inflation;
mod io;
mod limiter;
mod limiter_builder;
#[cfg(all(test, ron_loom))]
mod loom_models;
mod participant;
mod peers;
mod pending_conn;
mod permit;
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
pub use admitted::Admitted;
pub use cidr::{IpPrefix, IpPrefixes};
pub use control::{AbortOnPanic, Busy, Control};
pub use frame::{framed, Chunk, FrameReader, FrameSender};
pub use guard::Guard;
pub use inflation::{InflationGuard, InflationInput, InflationOutput, MAX_INFLATION};
pub use io::{GuardedIo, UpgradeIo};
pub use limiter::Limiter;
pub use limiter_builder::LimiterBuilder;
pub use peers::PeerKey;
pub use relay::{echo, relay, relay_without_half_close, Leg, RelayError, Relayed, Side};
pub use settings::{ByteRates, Deadlines, Limits, Overflow};
pub use snapshot::ConnSnapshot;
pub use tasks::{CountedTask, Tasks};
pub use threads::Threads;
