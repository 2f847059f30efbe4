//! The settings of TLS: typed, in range by construction, and described as keys.
//!
//! No file is read here: a path that leads nowhere is found when the settings are loaded.

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

use std::path::{Path, PathBuf};

/// A path as it is written; an empty text is none.
fn path(text: &str) -> Option<PathBuf> {
    (!text.is_empty()).then(|| PathBuf::from(text))
}

/// A path as it would be written.
fn text(path: Option<&Path>) -> String {
    path.map_or_else(String::new, |path| path.display().to_string())
}
