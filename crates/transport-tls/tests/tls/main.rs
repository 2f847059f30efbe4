//! TLS from both ends, over sockets and in memory.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

#[path = "../pki/mod.rs"]
mod pki;

mod begin;
mod close;
mod ends;
mod errors;
mod files;
mod forms;
mod gathered;
mod guard;
mod lingering;
mod mutual;
mod observed;
mod peer;
mod pq;
mod resume;
mod revocation;
mod rig;
mod rotate;
mod tickets;
mod versions;
mod withdrawal;
