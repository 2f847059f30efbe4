//! TLS.

mod config;

pub use config::{ClientAuth, PqConfig, PqMode, TlsClientConfig, TlsConfig, TrustStore};
