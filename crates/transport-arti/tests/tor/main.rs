//! Clients and onion services on a private network of `tor` processes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

mod abort;
mod conformance;
mod dial;
mod life;
mod onion;
mod outage;
mod proof;
mod rig;
mod tls;
mod trace;
