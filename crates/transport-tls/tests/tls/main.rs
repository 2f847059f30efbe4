//! TLS from both ends, over sockets and in memory.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

#[path = "../pki/mod.rs"]
mod pki;

mod close;
mod errors;
mod files;
mod gathered;
mod guard;
mod mutual;
mod observed;
mod pq;
mod resume;
mod rig;
mod rotate;
mod tickets;
mod versions;
