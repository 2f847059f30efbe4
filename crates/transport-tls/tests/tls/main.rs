//! TLS tests of both ends, over sockets and in memory.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

#[path = "../pki/mod.rs"]
mod pki;

mod buffering_stream;
mod certificates;
mod chains;
mod close;
mod early_close;
mod errors;
mod file_formats;
mod files;
mod guard;
mod lingering;
mod metrics;
mod mutual;
mod parts;
mod pins;
mod pq;
mod raw_certificates;
mod resume;
mod revocation;
mod rig;
mod rotate;
mod rustls_peer;
mod servers;
mod stream_end;
mod suites;
mod tickets;
mod trust_reload;
mod versions;
