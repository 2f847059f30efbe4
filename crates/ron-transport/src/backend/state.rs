//! The settings of backends that a reload replaces for new connections.

#[cfg(any(feature = "tls", feature = "arti"))]
use std::sync::Arc;

use transport_core::{Reloadable, TransportError};
use transport_tcp::TcpConfig;
#[cfg(feature = "uds")]
use transport_uds::UdsConfig;

#[cfg(feature = "tls")]
use super::tls::Tls;
#[cfg(feature = "arti")]
use super::tor::Tor;
use crate::builder::Given;
use crate::config::Config;
use crate::transport::Shared;

/// What listeners and dialers look at for each connection.
#[derive(Debug)]
pub(crate) struct Live {
    pub(super) tcp: Reloadable<TcpConfig>,
    #[cfg(feature = "tls")]
    pub(crate) tls: Arc<Tls>,
    #[cfg(feature = "uds")]
    pub(super) uds: Reloadable<UdsConfig>,
    #[cfg(feature = "arti")]
    pub(crate) tor: Arc<Tor>,
}

impl Live {
    /// Takes what it can use of what was given.
    pub(crate) fn new(config: &Config, given: &mut Given, shared: &Shared) -> Self {
        let observer = &shared.observer;
        let _ = (&given, observer);
        Self {
            tcp: Reloadable::new(tcp(config)),
            #[cfg(feature = "tls")]
            tls: Arc::new(Tls::new(config, given.server_tls.take(), observer)),
            #[cfg(feature = "uds")]
            uds: Reloadable::new(uds(config)),
            #[cfg(feature = "arti")]
            tor: Arc::new(Tor::new(config, observer, &shared.readiness, &shared.kill)),
        }
    }

    /// Reads what has to be read and puts it in force; the first failure changes nothing.
    pub(crate) fn set(&self, config: &Config) -> Result<(), TransportError> {
        #[cfg(feature = "tls")]
        self.tls.reload(config)?;
        self.tcp.replace(tcp(config));
        #[cfg(feature = "uds")]
        self.uds.replace(uds(config));
        #[cfg(feature = "arti")]
        self.tor.set(&config.arti);
        Ok(())
    }

    /// How far Tor's bootstrap is; `None` without Tor.
    pub(crate) fn tor_progress(&self) -> Option<f64> {
        #[cfg(feature = "arti")]
        return self.tor.progress();
        #[cfg(not(feature = "arti"))]
        None
    }

    /// Begins the end of what runs by itself.
    pub(crate) fn stop(&self) {
        #[cfg(feature = "arti")]
        self.tor.stop();
    }

    /// Ends what runs by itself.
    #[allow(clippy::unused_async)]
    pub(crate) async fn shutdown(&self) {
        #[cfg(feature = "arti")]
        self.tor.shutdown().await;
    }

    /// Looks at files every two seconds, for ever: a certificate that was renewed is put in force.
    #[allow(clippy::unused_async)]
    pub(crate) async fn keep_fresh(&self) {
        #[cfg(feature = "tls")]
        self.tls.keep_fresh().await;
        #[cfg(not(feature = "tls"))]
        std::future::pending::<()>().await;
    }
}

/// Socket options: those of `tcp.*`, and the mark of unsent bytes.
fn tcp(config: &Config) -> TcpConfig {
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
