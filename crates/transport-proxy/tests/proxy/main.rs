//! PROXY headers over sockets and in memory, under a guard.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

mod admission;
mod ends;
mod headers;
mod raw_pending;
mod rig;
mod stacked;
