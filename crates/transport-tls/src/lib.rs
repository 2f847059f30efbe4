//! TLS 1.3 for servers and clients, over any raw backend.
//!
//! This crate is the TLS backend of ron-transport. Most services use the facade, `ron-transport`. A
//! service that needs only guarded TLS depends on this crate and on the backend below, such as
//! `transport-tcp`: [`listen`] and [`dialer`] guard the [`raw`] backend with a [`Limiter`].
//!
//! [`ServerTls`] and [`ClientTls`] are loaded from files or made from memory. A [`Reloadable`] holds one, so that a
//! reload or a refresh replaces it while listeners use it. This crate starts no task and no timer.
//!
//! Failed handshakes have a [`TlsErrorKind`](transport_core::TlsErrorKind).
//!
//! # Revocation
//!
//! With `crl_path` every certificate of a peer's chain needs a fresh CRL of its issuer, and an
//! unknown status is refused. Authorities, CRLs, ticket keys and the certificate are reloaded
//! independently, so a broken file does not delay a revocation in another one:
//! [`ServerTls::reconfigured_trust`].
//!
//! # Private keys
//!
//! The bytes of key files and of the keys parsed from them are overwritten before they are freed, on
//! success and on every error. No error and no `Debug` output contains the path of a key. Copies that
//! this crate cannot overwrite are the PEM parser's base64 buffer, the keys that aws-lc uses, and the
//! kernel's cache of the file.

mod allowed_san;
mod chain;
mod client;
mod clock;
mod config;
mod crl;
mod dates;
#[cfg(feature = "dev")]
#[cfg_attr(docsrs, doc(cfg(feature = "dev")))]
pub mod dev;
mod error;
mod expiry;
mod explain;
mod files;
mod guarded;
mod hello;
mod identity;
mod material;
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
pub use client::{ClientIdentity, ClientOptions, ClientTls};
pub use config::{ClientAuth, PqConfig, PqMode, TlsClientConfig, TlsConfig, TrustStore};
pub use guarded::{dialer, listen, TlsDialGuard, TlsGuard};
pub use material::TlsMaterial;
pub use server::ServerTls;
pub use spki_pin::SpkiPin;
pub use tokio_rustls::rustls;
pub use transport_core::{self, Reloadable};
pub use transport_limits::{self, Control, GuardedIo, Limiter, Limits};
pub use x509::common_name;
