//! The TLS backend of ron-transport: TLS 1.3 for servers and clients, over any raw backend.
//!
//! Most services use the facade, `ron-transport`. A service that wants guarded TLS and nothing
//! else depends on this crate and on the backend below, such as `transport-tcp`: [`listen`] and
//! [`dialer`] guard the [`raw`] backend with a [`Limiter`].
//!
//! [`ServerTls`] and [`ClientTls`] are loaded from files. A [`Reloadable`] holds one, so that a
//! reload or a refresh replaces it while listeners use it. This crate starts no task and no timer.
//!
//! # Revocation
//!
//! With `crl_path` every certificate of a peer's chain needs a fresh CRL of its issuer; a status that
//! is unknown is refused. What decides which peers come in is reloaded part by part, so that a broken
//! file delays no revocation of another one: [`ServerTls::reconfigured_trust`].
//!
//! # Private keys
//!
//! The bytes of a key file or a file of ticket keys, and of the keys that are parsed from them, are
//! overwritten before they are freed, on success and on every error; a key's path is in no error and
//! no `Debug` output. Out of reach are the buffer in which the PEM parser undoes base64, keys as
//! aws-lc holds them while they are in use, and what the kernel caches of the file.

mod allowed_san;
mod chain;
mod client;
mod clock;
mod config;
mod crl;
mod dates;
mod error;
mod expiry;
mod explain;
mod files;
mod guarded;
mod hello;
mod identity;
mod names;
mod pair;
mod peers;
mod pem;
mod pem_diagnosis;
mod provider;
pub mod raw;
mod refresh;
mod resume;
mod server;
mod spki_pin;
mod trust;
mod trust_update;
mod x509;

pub use allowed_san::AllowedSan;
pub use client::ClientTls;
pub use config::{ClientAuth, PqConfig, PqMode, TlsClientConfig, TlsConfig, TrustStore};
pub use guarded::{dialer, listen, TlsDialGuard, TlsGuard};
pub use server::ServerTls;
pub use spki_pin::SpkiPin;
pub use tokio_rustls::rustls;
pub use transport_core::{self, Reloadable};
pub use transport_limits::{self, Control, GuardedIo, Limiter, Limits};
