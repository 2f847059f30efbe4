//! Dials: the raw dialer of the scheme, and its layers.

#[cfg(feature = "tls")]
use std::sync::Arc;

#[cfg(feature = "arti")]
use transport_arti::raw::ArtiDialer;
#[cfg(feature = "tls")]
use transport_core::Reloadable;
use transport_core::{ConnInfo, Proxied, TransportError};
use transport_proxy::raw::ViaDialer;
use transport_proxy::{announce, ViaProxy};
use transport_tcp::raw::TcpDialer;

#[cfg(feature = "tls")]
use super::TlsLayer;
use super::{unsupported, DialLayers, Dialers};
#[cfg(feature = "tls")]
use crate::backend::tls;
use crate::conn::Conn;
use crate::dial_options::DialOptions;
use crate::endpoint::Endpoint;
use crate::scheme::Scheme;

impl Dialers {
    pub(crate) async fn dial(&self, to: &Endpoint) -> Result<Conn, TransportError> {
        self.dial_as(to, &DialOptions::default(), None).await
    }

    pub(crate) async fn dial_for(
        &self,
        to: &Endpoint,
        client: &ConnInfo,
    ) -> Result<Conn, TransportError> {
        let options = DialOptions::default();
        self.dial_as(to, &options, Some(client)).await
    }

    pub(crate) async fn dial_with(
        &self,
        to: &Endpoint,
        options: &DialOptions,
    ) -> Result<Conn, TransportError> {
        let client = options.client.as_deref();
        let conn = self.dial_as(to, options, client).await?;
        if let Some(idle) = options.idle_timeout {
            conn.control().set_idle_timeout(idle);
        }
        Ok(conn)
    }

    /// Dials a target of any scheme.
    async fn dial_as(
        &self,
        to: &Endpoint,
        options: &DialOptions,
        client: Option<&ConnInfo>,
    ) -> Result<Conn, TransportError> {
        let scheme = to.scheme();
        options.check(scheme)?;
        let via = self.via(scheme, options)?;
        let timeout = options.timeout;
        let layers = DialLayers {
            to: to.target(),
            limiter: &self.limiter,
            timeout: timeout.unwrap_or_else(|| self.limiter.dial_timeout()),
            header: client.and_then(|client| self.header(client)),
        };
        match (scheme, via) {
            (Scheme::Tcp, None) => layers.plain(self.tcp_for(options)).await,
            (Scheme::Tcp, Some(via)) => {
                let raw = ViaDialer::over(self.tcp_for(options), &via);
                layers.plain(raw).await
            }
            #[cfg(feature = "tls")]
            (Scheme::Tls, None) => {
                let tls = self.tls_layer(options).await?;
                layers.tls(self.tcp_for(options), tls).await
            }
            #[cfg(feature = "tls")]
            (Scheme::Tls, Some(via)) => {
                let tls = self.tls_layer(options).await?;
                let raw = ViaDialer::over(self.tcp_for(options), &via);
                layers.tls(raw, tls).await
            }
            #[cfg(feature = "uds")]
            (Scheme::Unix, _) => layers.plain(self.uds.clone()).await,
            #[cfg(feature = "arti")]
            (Scheme::Tor, _) => {
                let raw = self.tor_for(options).await?;
                layers.plain(raw).await
            }
            #[cfg(all(feature = "arti", feature = "tls"))]
            (Scheme::TlsOverTor, _) => {
                let tls = self.tls_layer(options).await?;
                layers.tls(self.tor_for(options).await?, tls).await
            }
            (Scheme::Custom, _) => self.custom.find(to)?.dial(&layers).await,
            #[cfg(feature = "tls")]
            (Scheme::TlsOverCustom, _) => {
                let dialer = self.custom.find(to)?;
                let tls = self.tls_layer(options).await?;
                dialer.dial_tls(&layers, tls).await
            }
            #[allow(unreachable_patterns)]
            (scheme, _) => Err(unsupported::scheme(scheme)),
        }
    }

    /// Returns the proxy of this dial.
    ///
    /// A scheme without a use for it is refused: a direct dial would evade the proxy.
    fn via(
        &self,
        scheme: Scheme,
        options: &DialOptions,
    ) -> Result<Option<ViaProxy>, TransportError> {
        let via = match &options.via {
            Some(via) => via.clone(),
            None => self.proxy.get().via().cloned(),
        };
        match (scheme, via) {
            (_, None) => Ok(None),
            (scheme, via) if scheme.has_via() => Ok(via),
            (scheme, Some(via)) => Err(unsupported::via(scheme, &via)),
        }
    }

    /// Returns the header that announces a client; `None` unless `proxy.send` is set.
    fn header(&self, client: &ConnInfo) -> Option<Proxied> {
        let version = self.proxy.get().send().version()?;
        Some(announce(client, version, common_name(client).as_deref()))
    }

    /// Returns the TCP dialer, with the timeout of the options.
    fn tcp_for(&self, options: &DialOptions) -> TcpDialer {
        let dialer = self.tcp.clone();
        match options.timeout {
            Some(timeout) => dialer.with_dial_timeout(move || timeout),
            None => dialer,
        }
    }

    #[cfg(feature = "arti")]
    async fn tor_for(&self, options: &DialOptions) -> Result<ArtiDialer, TransportError> {
        let dialer = self.tor.net().await?.dialer();
        Ok(match options.isolation {
            Some(token) => dialer.isolated_by(token),
            None => dialer,
        })
    }

    /// Returns the TLS configuration of the options, else that of the transport.
    #[cfg(feature = "tls")]
    async fn tls_layer(&self, options: &DialOptions) -> Result<TlsLayer, TransportError> {
        let live = match &options.client_tls {
            Some(own) => {
                self.tls.check_pq(own.pq_mode())?;
                Reloadable::from(Arc::clone(own))
            }
            None => tls::client(&self.tls).await?,
        };
        let options = options.tls.clone();
        Ok(TlsLayer { live, options })
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
