//! One dial through its layers: proxy, PROXY header, TLS, guard.

use std::time::Duration;

#[cfg(feature = "tls")]
use transport_core::Reloadable;
use transport_core::{Dialer, Proxied, Target, TransportError};
use transport_limits::{Guard, Limiter};
use transport_proxy::raw::ProxyDialer;
#[cfg(feature = "tls")]
use transport_tls::{raw::TlsDialer, ClientOptions, ClientTls};

use crate::conn::Conn;

/// The layers of one dial over its raw dialer, without TLS.
///
/// One deadline covers all of them: name resolution, connect, the negotiation with a proxy, the PROXY
/// header and the TLS handshake.
pub(crate) struct DialLayers<'a> {
    pub(super) to: &'a Target,
    pub(super) limiter: &'a Limiter,
    pub(super) timeout: Duration,
    /// The header that announces a client.
    pub(super) header: Option<Proxied>,
}

/// The TLS layer of one dial.
#[cfg(feature = "tls")]
pub(crate) struct TlsLayer {
    pub(super) live: Reloadable<ClientTls>,
    pub(super) options: ClientOptions,
}

impl DialLayers<'_> {
    /// Dials without TLS.
    pub(crate) async fn plain<D: Dialer>(&self, raw: D) -> Result<Conn, TransportError> {
        // Boxed here: the futures that await this one are moved several times before their first poll.
        match &self.header {
            None => Box::pin(self.guarded(raw)).await,
            Some(header) => Box::pin(self.guarded(ProxyDialer::over(raw, header))).await,
        }
    }

    /// Dials with TLS above the PROXY header.
    #[cfg(feature = "tls")]
    pub(crate) async fn tls<D: Dialer>(
        &self,
        raw: D,
        tls: TlsLayer,
    ) -> Result<Conn, TransportError> {
        match &self.header {
            None => Box::pin(self.guarded_tls(raw, tls)).await,
            Some(header) => {
                let raw = ProxyDialer::over(raw, header);
                Box::pin(self.guarded_tls(raw, tls)).await
            }
        }
    }

    #[cfg(feature = "tls")]
    async fn guarded_tls<D: Dialer>(&self, raw: D, tls: TlsLayer) -> Result<Conn, TransportError> {
        let raw = TlsDialer::over(raw, &tls.live, self.limiter.shared_observer());
        self.guarded(raw.with_options(tls.options)?).await
    }

    async fn guarded<D: Dialer>(&self, raw: D) -> Result<Conn, TransportError> {
        let guard = Guard::new(raw, self.limiter);
        let dialed = guard.dial_within(self.to, self.timeout).await;
        dialed.map(Conn::new)
    }
}
