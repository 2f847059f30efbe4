//! What listeners and dialers use from now on, replaceable while they run. Connections that are
//! open keep what they began with.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use transport_core::TransportError;

use crate::{ClientTls, ServerTls};

/// A value that can be swapped under those who use it. Cheap to clone; clones are the same.
pub struct Live<T>(Arc<RwLock<Arc<T>>>);

/// What a listener proves and asks for, replaceable.
pub type LiveServerTls = Live<ServerTls>;
/// What a dialer trusts and shows, replaceable.
pub type LiveClientTls = Live<ClientTls>;

impl<T> Live<T> {
    /// Starts with this value.
    #[must_use]
    pub fn new(value: T) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(value))))
    }

    /// The value in force.
    #[must_use]
    pub fn get(&self) -> Arc<T> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another value in force, for every handshake that begins from now on.
    pub fn set(&self, value: T) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(value);
    }

    /// Puts what `look` found in force, unless the value was replaced while it was looking.
    fn refresh_with(
        &self,
        look: impl FnOnce(&T) -> Result<Option<T>, TransportError>,
    ) -> Result<bool, TransportError> {
        let before = self.get();
        let Some(next) = look(&before)? else {
            return Ok(false);
        };
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let still = Arc::ptr_eq(&current, &before);
        if still {
            *current = Arc::new(next);
        }
        Ok(still)
    }

    /// Puts the part that decides which peers come in into force, where the rest failed.
    fn refresh_trust(
        &self,
        error: TransportError,
        reloaded_trust: impl FnOnce(&T) -> Option<T>,
    ) -> TransportError {
        // Its own failure changes nothing: the first one says what is wrong.
        let _ = self.refresh_with(|now| Ok(reloaded_trust(now)));
        error
    }
}

impl LiveServerTls {
    /// Looks whether the files changed, by what they hold, and puts what they hold now in force.
    /// Each file is opened anew by its path, so that a symlink that points elsewhere is noticed.
    /// True: something changed and is in force. Also warns of a certificate that is about to
    /// expire, once, when it comes to that.
    ///
    /// Reads files and parses certificates: a few milliseconds that a blocking thread is for.
    ///
    /// # Errors
    /// As [`ServerTls::load`]; what was in force stays in force, but for
    /// [withdrawals](ServerTls::reconfigured_trust). A pair that is replaced one file after the other does
    /// not match in between.
    pub fn refresh(&self) -> Result<bool, TransportError> {
        self.refresh_with(ServerTls::reloaded)
            .map_err(|error| self.refresh_trust(error, ServerTls::reloaded_trust))
    }
}

impl LiveClientTls {
    /// As [`LiveServerTls::refresh`], for the bundle of authorities and the client's own pair. The
    /// system's trust store is read by [`ClientTls::load`] alone.
    ///
    /// # Errors
    /// As [`ClientTls::load`]; what was in force stays in force, but for
    /// [withdrawals](ClientTls::reconfigured_trust).
    pub fn refresh(&self) -> Result<bool, TransportError> {
        self.refresh_with(ClientTls::reloaded)
            .map_err(|error| self.refresh_trust(error, ClientTls::reloaded_trust))
    }
}

impl<T> Clone for Live<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: fmt::Debug> fmt::Debug for Live<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Live").field(&self.get()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_does_not_undo_what_was_set_meanwhile() {
        let live = Live::new(1);
        let replaced = live.refresh_with(|_| {
            live.set(2);
            Ok(Some(3))
        });
        assert!(!replaced.unwrap());
        assert_eq!(*live.get(), 2);
        assert!(live.refresh_with(|now| Ok(Some(now + 1))).unwrap());
        assert!(!live.refresh_with(|_| Ok(None)).unwrap());
        assert_eq!(*live.clone().get(), 3);
    }
}
