//! The Tor backend of ron-transport: dials over Tor and onion services.
//!
//! Tor runs inside the process, by [Arti](https://arti.torproject.org/). [`ArtiNet`] is one Tor
//! client. It bootstraps in the background, reports by its [`readiness`](ArtiNet::readiness) whether
//! it can carry traffic, and creates dialers and the onion service's listener. Most services use the
//! facade, `ron-transport`; a service that needs guarded Tor only depends on this crate, on
//! [`listen`] and on [`dialer`].
//!
//! Tor resolves host names; this process never does. Pluggable transports are not supported, because
//! they are separate programs. Bridges without a pluggable transport work through Arti's own
//! configuration file (`arti.config_path`).
//!
//! Arti uses the process-wide default crypto provider of rustls. If none is installed,
//! [`ArtiNet::start`] installs aws-lc-rs.

mod client;
mod config;
mod error;
mod events;
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
