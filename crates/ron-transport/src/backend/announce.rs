//! Dials that begin with a PROXY header about the client.

use transport_core::{ConnInfo, TransportError};
use transport_limits::Guard;
use transport_proxy::raw::ProxyDialer;
use transport_proxy::{announce, Proxied};
#[cfg(feature = "tls")]
use transport_tls::raw::TlsDialer;

use super::{unsupported, Dialers};
use crate::conn::Conn;
use crate::endpoint::Endpoint;
use crate::scheme::Scheme;

impl Dialers {
    /// Dials for a client, which the connection announces if `proxy.send` is set.
    ///
    /// The header differs for each client, so it has a dialer of its own, below TLS.
    pub(crate) async fn dial_for(
        &self,
        to: &Endpoint,
        client: &ConnInfo,
    ) -> Result<Conn, TransportError> {
        let Some(version) = self.proxy.get().send().version() else {
            return self.dial(to).await;
        };
        let header = announce(client, version, common_name(client).as_deref());
        // Boxed, so that dials without a header do not store it.
        Box::pin(self.dial_announcing(to, &header)).await
    }

    async fn dial_announcing(
        &self,
        to: &Endpoint,
        header: &Proxied,
    ) -> Result<Conn, TransportError> {
        let limiter = self.tcp.limiter();
        match to.scheme() {
            Scheme::Tcp => {
                let raw = ProxyDialer::over(self.tcp.get_ref().clone(), header);
                let dialed = Guard::new(raw, limiter).dial(to.target()).await;
                dialed.map(Conn::new)
            }
            #[cfg(feature = "tls")]
            Scheme::Tls => {
                let tls = self.tls().await?.get_ref();
                let raw = ProxyDialer::over(tls.get_ref().clone(), header);
                let raw = TlsDialer::over(raw, tls.live(), limiter.shared_observer());
                let dialed = Guard::new(raw, limiter).dial(to.target()).await;
                dialed.map(Conn::new)
            }
            #[cfg(feature = "uds")]
            Scheme::Unix => {
                let raw = ProxyDialer::over(self.uds.get_ref().clone(), header);
                let dialed = Guard::new(raw, limiter).dial(to.target()).await;
                dialed.map(Conn::new)
            }
            #[cfg(feature = "arti")]
            Scheme::Tor => {
                let raw = ProxyDialer::over(self.tor().await?.get_ref().clone(), header);
                let dialed = Guard::new(raw, limiter).dial(to.target()).await;
                dialed.map(Conn::new)
            }
            #[cfg(all(feature = "arti", feature = "tls"))]
            Scheme::TlsOverTor => {
                let tls = self.tls_over_tor().await?.get_ref();
                let raw = ProxyDialer::over(tls.get_ref().clone(), header);
                let raw = TlsDialer::over(raw, tls.live(), limiter.shared_observer());
                let dialed = Guard::new(raw, limiter).dial(to.target()).await;
                dialed.map(Conn::new)
            }
            #[allow(unreachable_patterns)]
            scheme => Err(unsupported::scheme(scheme)),
        }
    }
}

/// Returns the common name in the client's verified certificate.
fn common_name(client: &ConnInfo) -> Option<String> {
    #[cfg(feature = "tls")]
    return transport_tls::common_name(client.identity.chain()?.leaf()?);
    #[cfg(not(feature = "tls"))]
    {
        let _ = client;
        None
    }
}
