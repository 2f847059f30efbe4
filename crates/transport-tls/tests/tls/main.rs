//! TLS from both ends, over sockets and in memory.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

#[path = "../pki/mod.rs"]
mod pki;

mod begin;
mod certificates;
mod chains;
mod close;
mod ends;
mod errors;
mod files;
mod gathered;
mod guard;
mod lingering;
mod maker;
mod mutual;
mod observed;
mod peer;
mod pins;
mod pq;
mod resume;
mod revocation;
mod rig;
mod rotate;
mod servers;
mod tickets;
mod versions;
mod withdrawal;
