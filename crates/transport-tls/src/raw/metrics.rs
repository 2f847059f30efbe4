//! Counts each TLS handshake once, whatever its end, also when it is dropped.

use std::sync::Arc;

use transport_core::{KeyExchange, Observer, TlsHandshake};

/// A handshake under way. It counts as failed unless it is said to have succeeded.
pub(super) struct HandshakeMetrics {
    observer: Arc<dyn Observer>,
    seen: TlsHandshake,
    /// The client sent nothing: there was no handshake.
    discarded: bool,
}

impl HandshakeMetrics {
    pub(super) fn begin(observer: &Arc<dyn Observer>) -> Self {
        Self {
            observer: Arc::clone(observer),
            seen: TlsHandshake {
                kx: KeyExchange::None,
                resumed: false,
                ok: false,
            },
            discarded: false,
        }
    }

    /// Notes what was agreed on.
    pub(super) fn negotiated(&mut self, kx: KeyExchange, resumed: bool) {
        self.seen.kx = kx;
        self.seen.resumed = resumed;
    }

    pub(super) fn succeeded(mut self) {
        self.seen.ok = true;
    }

    /// Counts nothing.
    pub(super) fn discard(mut self) {
        self.discarded = true;
    }
}

impl Drop for HandshakeMetrics {
    fn drop(&mut self) {
        if !self.discarded {
            self.observer.tls_handshake(self.seen);
        }
    }
}
