//! The gateway over a private Tor network of `tor` processes.

#![cfg(feature = "arti")]
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

#[allow(dead_code, unused_imports)]
#[path = "../common/mod.rs"]
mod common;
mod life;
mod onion;
mod rig;
mod stall;
mod tls;
