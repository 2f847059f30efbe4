//! The raw dialers, and the preparation of dials.

mod layers;
mod plan;

use std::os::fd::RawFd;
#[cfg(any(feature = "tls", feature = "arti"))]
use std::sync::Arc;

use transport_core::{Reloadable, TransportError};
use transport_limits::Limiter;
use transport_proxy::ProxyConfig;
use transport_tcp::raw::TcpDialer;
#[cfg(feature = "uds")]
use transport_uds::raw::UdsDialer;

#[cfg(feature = "tls")]
use super::tls::{self, TlsState};
#[cfg(feature = "arti")]
use super::tor::TorState;
use super::{unsupported, BackendState, CustomDialers};
use crate::endpoint::Endpoint;
use crate::scheme::Scheme;

pub(super) use layers::DialLayers;
#[cfg(feature = "tls")]
pub(super) use layers::TlsLayer;

/// The raw dialers of each scheme, and the settings of each dial.
#[derive(Debug)]
pub(crate) struct Dialers {
    limiter: Limiter,
    proxy: Reloadable<ProxyConfig>,
    tcp: TcpDialer,
    /// The trust store is read by the first dial.
    #[cfg(feature = "tls")]
    tls: Arc<TlsState>,
    #[cfg(feature = "uds")]
    uds: UdsDialer,
    /// The first dial starts the Tor client.
    #[cfg(feature = "arti")]
    tor: Arc<TorState>,
    custom: CustomDialers,
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
            limiter: limiter.clone(),
            proxy: backends.proxy.clone(),
            tcp,
            #[cfg(feature = "tls")]
            tls: Arc::clone(&backends.tls),
            #[cfg(feature = "uds")]
            uds,
            #[cfg(feature = "arti")]
            tor: Arc::clone(&backends.tor),
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
                tls::client(&self.tls).await.map(drop)
            }
            #[cfg(feature = "uds")]
            Scheme::Unix => Ok(()),
            #[cfg(feature = "arti")]
            Scheme::Tor => self.tor.net().await.map(drop),
            #[cfg(all(feature = "arti", feature = "tls"))]
            Scheme::TlsOverTor => {
                self.tor.net().await?;
                tls::client(&self.tls).await.map(drop)
            }
            Scheme::Custom => Ok(()),
            #[cfg(feature = "tls")]
            Scheme::TlsOverCustom => tls::client(&self.tls).await.map(drop),
            #[allow(unreachable_patterns)]
            scheme => Err(unsupported::scheme(scheme)),
        }
    }

    /// Starts the resolver's thread while the system can still create threads.
    fn start_resolver(&self) {
        // On failure, each lookup tries again; a target that is an address needs none.
        let _ = self.tcp.start_resolver();
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
            self.tor.net().await?.announce(to.target());
        }
        Ok(())
    }
}
