//! Counts each TLS handshake once, whatever its end, also when it is dropped.

use std::sync::Arc;

use transport_core::{KeyExchange, Observer, TlsHandshake};

/// A handshake under way. It counts as failed unless it is said to have succeeded.
pub(super) struct Counted {
    observer: Arc<dyn Observer>,
    seen: TlsHandshake,
    /// The client sent nothing: there was no handshake.
    unbegun: bool,
}

impl Counted {
    pub(super) fn begin(observer: &Arc<dyn Observer>) -> Self {
        Self {
            observer: Arc::clone(observer),
            seen: TlsHandshake {
                kx: KeyExchange::None,
                resumed: false,
                ok: false,
            },
            unbegun: false,
        }
    }

    /// Notes what was agreed on.
    pub(super) fn agreed(&mut self, kx: KeyExchange, resumed: bool) {
        self.seen.kx = kx;
        self.seen.resumed = resumed;
    }

    pub(super) fn succeeded(mut self) {
        self.seen.ok = true;
    }

    /// Counts nothing.
    pub(super) fn never_began(mut self) {
        self.unbegun = true;
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if !self.unbegun {
            self.observer.tls_handshake(self.seen);
        }
    }
}
