//! The Tor client of a transport, started at its first use.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};
use transport_arti::{ArtiConfig, ArtiNet};
use transport_core::{Observer, Reloadable, TransportError};

use crate::config::Config;
use crate::readiness::{Component, Readiness};

/// Longest wait for the end of the Tor client. It takes a millisecond, unless one of its threads is
/// reading a file.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

/// The Tor client of a transport, started at its first use.
pub(crate) struct TorState {
    live: Reloadable<ArtiConfig>,
    amnesia: bool,
    observer: Arc<dyn Observer>,
    readiness: Readiness,
    /// Cancelled when the transport ends.
    kill: CancellationToken,
    /// Has the name of the transport, for the client's log events.
    span: Span,
    net: OnceCell<ArtiNet>,
}

impl std::fmt::Debug for TorState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TorState")
            .field("net", &self.net.get())
            .finish_non_exhaustive()
    }
}

impl TorState {
    pub(super) fn new(
        config: &Config,
        observer: &Arc<dyn Observer>,
        readiness: &Readiness,
        kill: &CancellationToken,
        span: Span,
    ) -> Self {
        Self {
            live: Reloadable::new(config.arti.clone()),
            amnesia: config.limits.amnesia(),
            observer: Arc::clone(observer),
            readiness: readiness.clone(),
            kill: kill.clone(),
            span,
            net: OnceCell::new(),
        }
    }

    pub(super) fn set(&self, config: &ArtiConfig) {
        self.live.replace(config.clone());
    }

    /// Returns the client. The first call starts it; readiness covers it from then on.
    pub(super) async fn net(&self) -> Result<&ArtiNet, TransportError> {
        let start = || {
            let (observer, readiness) = (Arc::clone(&self.observer), self.readiness.clone());
            let report = move |state| readiness.set(Component::Tor, state);
            ArtiNet::start_with_callback(&self.live, self.amnesia, observer, report)
        };
        let started = self.net.get_or_try_init(start);
        let net = started.instrument(self.span.clone()).await?;
        // The transport may have ended while the client started.
        if self.kill.is_cancelled() {
            net.stop();
            return Err(TransportError::Cancelled);
        }
        Ok(net)
    }

    /// Returns the progress of the bootstrap, 0 to 1.
    ///
    /// `None` without a client.
    pub(crate) fn progress(&self) -> Option<f64> {
        self.net.get().map(ArtiNet::progress)
    }

    /// Starts the end of the client.
    pub(crate) fn stop(&self) {
        if let Some(net) = self.net.get() {
            net.stop();
        }
    }

    /// Ends the client and waits for it.
    pub(crate) async fn shutdown(&self) {
        let Some(net) = self.net.get() else {
            return;
        };
        if !net.shutdown(SHUTDOWN_TIMEOUT).await {
            let _named = self.span.enter();
            tracing::warn!(
                target: "ron_transport",
                event = "shutdown",
                "the Tor client has not ended after 2 s and continues to end in the background",
            );
        }
    }
}
