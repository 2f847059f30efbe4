//! The guarded dialers, one for each scheme.

mod options;

use std::os::fd::RawFd;
#[cfg(any(feature = "tls", feature = "arti"))]
use std::sync::{Arc, OnceLock};

#[cfg(feature = "arti")]
use transport_arti::{raw::ArtiDialer, IsolationToken};
use transport_core::{Reloadable, TransportError};
use transport_limits::{Guard, Limiter};
use transport_proxy::ProxyConfig;
use transport_tcp::raw::TcpDialer;
#[cfg(feature = "tls")]
use transport_tls::{raw::TlsDialer, ClientOptions};
#[cfg(feature = "uds")]
use transport_uds::raw::UdsDialer;

#[cfg(feature = "tls")]
use super::tls::{self, TlsState};
#[cfg(feature = "arti")]
use super::tor::TorState;
use super::{unsupported, BackendState, CustomDialers};
use crate::conn::Conn;
use crate::endpoint::Endpoint;
use crate::scheme::Scheme;

/// The guarded dialers.
#[derive(Debug)]
pub(crate) struct Dialers {
    pub(super) tcp: Guard<TcpDialer>,
    pub(super) proxy: Reloadable<ProxyConfig>,
    #[cfg(feature = "tls")]
    tls: OverTls,
    #[cfg(feature = "uds")]
    pub(super) uds: Guard<UdsDialer>,
    #[cfg(feature = "arti")]
    tor: OverTor,
    custom: CustomDialers,
}

/// The TLS dialer. The first dial reads the trust store, so that other dials need none.
#[cfg(feature = "tls")]
#[derive(Debug)]
struct OverTls {
    tls: Arc<TlsState>,
    dialer: OnceLock<Guard<TlsDialer<TcpDialer>>>,
}

/// The dialers over Tor. The first dial starts the Tor client.
#[cfg(feature = "arti")]
#[derive(Debug)]
struct OverTor {
    tor: Arc<TorState>,
    dialer: OnceLock<Guard<ArtiDialer>>,
    #[cfg(feature = "tls")]
    tls: OnceLock<Guard<TlsDialer<ArtiDialer>>>,
}

impl Dialers {
    pub(crate) fn new(
        backends: &BackendState,
        custom: CustomDialers,
        max_fd: Option<RawFd>,
        limiter: &Limiter,
    ) -> Self {
        let limits = limiter.clone();
        let tcp = TcpDialer::default()
            .with_config(&backends.tcp)
            .with_dial_timeout(move || limits.dial_timeout())
            .with_max_fd(max_fd);
        #[cfg(feature = "uds")]
        let uds = UdsDialer::new()
            .with_config(&backends.uds)
            .with_max_fd(max_fd);
        Self {
            tcp: Guard::new(tcp, limiter),
            proxy: backends.proxy.clone(),
            #[cfg(feature = "tls")]
            tls: OverTls {
                tls: Arc::clone(&backends.tls),
                dialer: OnceLock::new(),
            },
            #[cfg(feature = "uds")]
            uds: Guard::new(uds, limiter),
            #[cfg(feature = "arti")]
            tor: OverTor {
                tor: Arc::clone(&backends.tor),
                dialer: OnceLock::new(),
                #[cfg(feature = "tls")]
                tls: OnceLock::new(),
            },
            custom,
        }
    }

    /// Loads the files that a dial through this scheme needs.
    #[allow(clippy::unused_async)]
    pub(crate) async fn prepare(&self, scheme: Scheme) -> Result<(), TransportError> {
        match scheme {
            Scheme::Tcp => {
                self.start_resolver();
                Ok(())
            }
            #[cfg(feature = "tls")]
            Scheme::Tls => {
                self.start_resolver();
                self.tls().await.map(drop)
            }
            #[cfg(feature = "uds")]
            Scheme::Unix => Ok(()),
            #[cfg(feature = "arti")]
            Scheme::Tor => self.tor().await.map(drop),
            #[cfg(all(feature = "arti", feature = "tls"))]
            Scheme::TlsOverTor => self.tls_over_tor().await.map(drop),
            Scheme::Custom => Ok(()),
            #[cfg(feature = "tls")]
            Scheme::TlsOverCustom => tls::client(&self.tls.tls).await.map(drop),
            #[allow(unreachable_patterns)]
            scheme => Err(unsupported::scheme(scheme)),
        }
    }

    /// Starts the resolver's thread while the system can still create threads.
    fn start_resolver(&self) {
        // On failure, each lookup tries again; a target that is an address needs none.
        let _ = self.tcp.get_ref().start_resolver();
    }

    /// Prepares dials to this target.
    ///
    /// Over Tor, readiness covers the target from now on.
    pub(crate) async fn prepare_for(&self, to: &Endpoint) -> Result<(), TransportError> {
        if matches!(to.scheme(), Scheme::Custom | Scheme::TlsOverCustom) {
            self.custom.find(to)?;
        }
        self.prepare(to.scheme()).await?;
        #[cfg(feature = "arti")]
        if matches!(to.scheme(), Scheme::Tor | Scheme::TlsOverTor) {
            self.tor.tor.net().await?.announce(to.target());
        }
        Ok(())
    }

    pub(crate) async fn dial(&self, to: &Endpoint) -> Result<Conn, TransportError> {
        match to.scheme() {
            Scheme::Tcp => self.tcp.dial(to.target()).await.map(Conn::new),
            #[cfg(feature = "tls")]
            Scheme::Tls => {
                let dialer = self.tls().await?;
                Box::pin(dialer.dial(to.target())).await.map(Conn::new)
            }
            #[cfg(feature = "uds")]
            Scheme::Unix => self.uds.dial(to.target()).await.map(Conn::new),
            #[cfg(feature = "arti")]
            Scheme::Tor => {
                let dialer = self.tor().await?;
                Box::pin(dialer.dial(to.target())).await.map(Conn::new)
            }
            #[cfg(all(feature = "arti", feature = "tls"))]
            Scheme::TlsOverTor => {
                let dialer = self.tls_over_tor().await?;
                Box::pin(dialer.dial(to.target())).await.map(Conn::new)
            }
            Scheme::Custom => {
                let (dialer, limiter) = (self.custom.find(to)?, self.tcp.limiter());
                let timeout = limiter.dial_timeout();
                dialer.dial(to.target(), limiter, timeout).await
            }
            #[cfg(feature = "tls")]
            Scheme::TlsOverCustom => {
                let (dialer, limiter) = (self.custom.find(to)?, self.tcp.limiter());
                let (timeout, options) = (limiter.dial_timeout(), ClientOptions::default());
                let live = tls::client(&self.tls.tls).await?;
                let dialed = dialer.dial_tls(to.target(), limiter, timeout, live, options);
                dialed.await
            }
            #[allow(unreachable_patterns)]
            scheme => Err(unsupported::scheme(scheme)),
        }
    }

    /// Dials over Tor on circuits that only this token shares.
    #[cfg(feature = "arti")]
    pub(crate) async fn dial_isolated(
        &self,
        to: &Endpoint,
        token: IsolationToken,
    ) -> Result<Conn, TransportError> {
        let over_tor = || async {
            let net = self.tor.tor.net().await?;
            Ok::<_, TransportError>(net.dialer().isolated_by(token))
        };
        let limiter = self.tcp.limiter();
        match to.scheme() {
            Scheme::Tor => {
                let guard = Guard::new(over_tor().await?, limiter);
                Box::pin(guard.dial(to.target())).await.map(Conn::new)
            }
            #[cfg(feature = "tls")]
            Scheme::TlsOverTor => {
                let live = tls::client(&self.tls.tls).await?;
                let observer = limiter.shared_observer();
                let raw = TlsDialer::over(over_tor().await?, &live, observer);
                let guard = Guard::new(raw, limiter);
                Box::pin(guard.dial(to.target())).await.map(Conn::new)
            }
            scheme => Err(TransportError::Unsupported {
                what: format!("isolation of {}: only Tor has circuits", scheme.as_str()),
            }),
        }
    }

    #[cfg(feature = "tls")]
    pub(super) async fn tls(&self) -> Result<&Guard<TlsDialer<TcpDialer>>, TransportError> {
        let OverTls { tls, dialer } = &self.tls;
        if let Some(dialer) = dialer.get() {
            return Ok(dialer);
        }
        let live = tls::client(tls).await?;
        let limiter = self.tcp.limiter();
        let raw = TlsDialer::over(self.tcp.get_ref().clone(), &live, limiter.shared_observer());
        Ok(dialer.get_or_init(|| Guard::new(raw, limiter)))
    }

    #[cfg(feature = "arti")]
    pub(super) async fn tor(&self) -> Result<&Guard<ArtiDialer>, TransportError> {
        let OverTor { tor, dialer, .. } = &self.tor;
        let net = tor.net().await?;
        Ok(dialer.get_or_init(|| Guard::new(net.dialer(), self.tcp.limiter())))
    }

    #[cfg(all(feature = "arti", feature = "tls"))]
    pub(super) async fn tls_over_tor(
        &self,
    ) -> Result<&Guard<TlsDialer<ArtiDialer>>, TransportError> {
        let OverTor { tor, tls, .. } = &self.tor;
        if let Some(dialer) = tls.get() {
            return Ok(dialer);
        }
        let live = tls::client(&self.tls.tls).await?;
        let limiter = self.tcp.limiter();
        let raw = TlsDialer::over(tor.net().await?.dialer(), &live, limiter.shared_observer());
        Ok(tls.get_or_init(|| Guard::new(raw, limiter)))
    }
}
