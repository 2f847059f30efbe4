//! The state of the backends that a reload replaces for new connections.

#[cfg(any(feature = "tls", feature = "arti"))]
use std::sync::Arc;

use transport_core::{Reloadable, TransportError};
use transport_proxy::ProxyConfig;
use transport_tcp::TcpConfig;
#[cfg(feature = "uds")]
use transport_uds::UdsConfig;

#[cfg(feature = "tls")]
use super::tls::TlsState;
#[cfg(feature = "arti")]
use super::tor::TorState;
use crate::config::Config;
use crate::credentials::Credentials;
use crate::state::TransportState;

/// The settings that listeners and dialers read for each connection.
#[derive(Debug)]
pub(crate) struct BackendState {
    pub(super) tcp: Reloadable<TcpConfig>,
    pub(super) proxy: Reloadable<ProxyConfig>,
    #[cfg(feature = "tls")]
    pub(crate) tls: Arc<TlsState>,
    #[cfg(feature = "uds")]
    pub(super) uds: Reloadable<UdsConfig>,
    #[cfg(feature = "arti")]
    pub(crate) tor: Arc<TorState>,
}

impl BackendState {
    /// Takes the credentials that it uses.
    pub(crate) fn new(
        config: &Config,
        credentials: &mut Credentials,
        state: &TransportState,
    ) -> Self {
        let observer = &state.observer;
        let _ = (&credentials, observer);
        Self {
            tcp: Reloadable::new(tcp_config(config)),
            proxy: Reloadable::new(config.proxy.clone()),
            #[cfg(feature = "tls")]
            tls: Arc::new(TlsState::new(
                config,
                (credentials.server_tls.take(), credentials.client_tls.take()),
                observer,
                state.span(),
            )),
            #[cfg(feature = "uds")]
            uds: Reloadable::new(uds(config)),
            #[cfg(feature = "arti")]
            tor: Arc::new(TorState::new(
                config,
                observer,
                &state.readiness,
                &state.kill,
                state.span(),
            )),
        }
    }

    /// Reads the files of the settings, and applies both.
    ///
    /// A failure changes nothing.
    pub(crate) fn set(&self, config: &Config) -> Result<(), TransportError> {
        #[cfg(feature = "tls")]
        self.tls.reload(config)?;
        self.tcp.replace(tcp_config(config));
        self.proxy.replace(config.proxy.clone());
        #[cfg(feature = "uds")]
        self.uds.replace(uds(config));
        #[cfg(feature = "arti")]
        self.tor.set(&config.arti);
        Ok(())
    }

    /// Returns the progress of the Tor bootstrap; `None` without a Tor client.
    pub(crate) fn tor_progress(&self) -> Option<f64> {
        #[cfg(feature = "arti")]
        return self.tor.progress();
        #[cfg(not(feature = "arti"))]
        None
    }

    /// Starts the end of the Tor client.
    pub(crate) fn stop(&self) {
        #[cfg(feature = "arti")]
        self.tor.stop();
    }

    /// Ends the Tor client and waits for it.
    #[allow(clippy::unused_async)]
    pub(crate) async fn shutdown(&self) {
        #[cfg(feature = "arti")]
        self.tor.shutdown().await;
    }

    /// Checks the TLS files every two seconds and applies changed ones. Never resolves.
    #[allow(clippy::unused_async)]
    pub(crate) async fn watch_certificates(&self) {
        #[cfg(feature = "tls")]
        self.tls.watch_certificates().await;
        #[cfg(not(feature = "tls"))]
        std::future::pending::<()>().await;
    }
}

/// The settings of `tcp.*`, and the threshold of unsent bytes.
pub(crate) fn tcp_config(config: &Config) -> TcpConfig {
    let mut tcp = config.tcp.clone();
    tcp.set_unsent_bytes(config.limits.chunk_bytes());
    tcp
}

/// The settings of `uds.*`, and the send buffer.
#[cfg(feature = "uds")]
fn uds(config: &Config) -> UdsConfig {
    let mut uds = config.uds.clone();
    uds.set_chunk_bytes(config.limits.chunk_bytes());
    uds
}
