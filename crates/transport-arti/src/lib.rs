//! The Tor backend of ron-transport: dials over Tor and listens as an onion service, in the
//! process itself, by [Arti](https://arti.torproject.org/).
//!
//! [`ArtiNet`] is one Tor client, from its start to its end: it bootstraps by itself, tells by its
//! [`readiness`](ArtiNet::readiness) whether traffic can flow, and gives out the dialer and the
//! listener. Most services use the facade, `ron-transport`; one that wants guarded Tor and nothing
//! else depends on this crate alone and on [`listen`] and [`dialer`].
//!
//! Nothing is resolved here: names go to Tor as they are. There are no pluggable transports, since
//! they are programs; bridges without one work, by Arti's own configuration file.
//!
//! Arti takes its TLS from rustls' default crypto provider of the process. Where there is none,
//! [`ArtiNet::start`] makes it aws-lc-rs.

mod config;
mod error;
mod guarded;
mod health;
mod identity;
mod isolation;
mod net;
mod onion;
mod provider;
mod ram;
pub mod raw;
mod settings;

pub use config::{ArtiConfig, DialWhileBootstrapping, Isolation, OnionServiceConfig};
pub use guarded::{dialer, listen, ArtiDialGuard, ArtiGuard};
pub use isolation::IsolationToken;
pub use net::ArtiNet;
pub use transport_core::{self, Reloadable};
pub use transport_limits::{self, Control, GuardedIo, Limiter, Limits};
