//! Counts each TLS handshake once, also if its future is dropped.

use std::sync::Arc;

use transport_core::{KeyExchange, Observer, TlsHandshake};

/// Reports one handshake to the observer when it is dropped.
///
/// By default the handshake counts as failed.
pub(super) struct HandshakeMetrics {
    observer: Arc<dyn Observer>,
    event: TlsHandshake,
    is_discarded: bool,
}

impl HandshakeMetrics {
    pub(super) fn start(observer: &Arc<dyn Observer>) -> Self {
        Self {
            observer: Arc::clone(observer),
            event: TlsHandshake {
                kx: KeyExchange::None,
                resumed: false,
                ok: false,
            },
            is_discarded: false,
        }
    }

    /// Records the negotiated parameters.
    pub(super) fn negotiated(&mut self, kx: KeyExchange, resumed: bool) {
        self.event.kx = kx;
        self.event.resumed = resumed;
    }

    /// Reports success.
    pub(super) fn succeeded(mut self) {
        self.event.ok = true;
    }

    /// Reports nothing: the client sent no byte, so no handshake took place.
    pub(super) fn discard(mut self) {
        self.is_discarded = true;
    }
}

impl Drop for HandshakeMetrics {
    fn drop(&mut self) {
        if !self.is_discarded {
            self.observer.tls_handshake(self.event);
        }
    }
}
