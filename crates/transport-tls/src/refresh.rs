//! Refreshes TLS configurations from their files.

use transport_core::{Reloadable, TransportError};

use crate::{ClientTls, ServerTls};

impl ServerTls {
    /// Rereads the files; replaces the configuration if their contents changed.
    ///
    /// Returns whether it replaced the configuration. New handshakes then use the new one; open
    /// connections keep theirs. Each file is opened by its path, so that a symlink with a new
    /// target is noticed. Logs a warning once when the certificate is about to expire.
    ///
    /// Reading files and parsing certificates takes a few milliseconds: call it on a blocking
    /// thread.
    ///
    /// # Errors
    /// As [`ServerTls::load`]. The configuration then stays, except for
    /// [trust changes](ServerTls::reconfigured_trust). While a certificate and its key are replaced
    /// one after the other, they do not match.
    pub fn refresh(live: &Reloadable<Self>) -> Result<bool, TransportError> {
        refresh(live, Self::reloaded, Self::reloaded_trust)
    }
}

impl ClientTls {
    /// Rereads the CA bundle and the client's own certificate and key.
    ///
    /// As [`ServerTls::refresh`]. Only [`ClientTls::load`] reads the system's trust store.
    ///
    /// # Errors
    /// As [`ClientTls::load`]. The configuration then stays, except for
    /// [trust changes](ClientTls::reconfigured_trust).
    pub fn refresh(live: &Reloadable<Self>) -> Result<bool, TransportError> {
        refresh(live, Self::reloaded, Self::reloaded_trust)
    }
}

/// Replaces the value by the reloaded one; after an error, applies the trust changes.
fn refresh<T>(
    live: &Reloadable<T>,
    reloaded: impl FnOnce(&T) -> Result<Option<T>, TransportError>,
    reloaded_trust: impl FnOnce(&T) -> Option<T>,
) -> Result<bool, TransportError> {
    let current = live.get();
    match reloaded(&current) {
        Ok(next) => Ok(next.is_some_and(|next| live.replace_if_current(&current, next))),
        Err(error) => {
            let current = live.get();
            if let Some(next) = reloaded_trust(&current) {
                live.replace_if_current(&current, next);
            }
            Err(error)
        }
    }
}
