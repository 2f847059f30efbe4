//! The settings of TLS.
//!
//! Nothing here reads a file: loading a configuration finds a path without a file.

mod alpn;
mod client;
mod crl_path;
mod key_path;
mod peers;
mod pq;
mod server;

pub(crate) use alpn::{MAX_NAMES as MAX_ALPN, RULE as ALPN_RULE};
pub use client::{TlsClientConfig, TrustStore};
pub use pq::{PqConfig, PqMode};
pub use server::{ClientAuth, TlsConfig};
