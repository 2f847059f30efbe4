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

pub use client::{TlsClientConfig, TrustStore};
pub use pq::{PqConfig, PqMode};
pub use server::{ClientAuth, TlsConfig};
