//! The Tor client of a transport, started when something first needs it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;
use transport_arti::{ArtiConfig, ArtiNet};
use transport_core::{Observer, Reloadable, TransportError};

use crate::config::Config;
use crate::readiness::{Part, Readiness};

/// How long the end of Tor may take. It takes a millisecond; one of its threads may be reading a
/// file.
const END: Duration = Duration::from_secs(2);

/// A Tor client, once there is one.
pub(crate) struct Tor {
    live: Reloadable<ArtiConfig>,
    amnesia: bool,
    observer: Arc<dyn Observer>,
    readiness: Readiness,
    /// It ends with the transport.
    kill: CancellationToken,
    net: OnceCell<ArtiNet>,
}

impl std::fmt::Debug for Tor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tor")
            .field("net", &self.net.get())
            .finish_non_exhaustive()
    }
}

impl Tor {
    pub(super) fn new(
        config: &Config,
        observer: &Arc<dyn Observer>,
        readiness: &Readiness,
        kill: &CancellationToken,
    ) -> Self {
        Self {
            live: Reloadable::new(config.arti.clone()),
            amnesia: config.limits.amnesia(),
            observer: Arc::clone(observer),
            readiness: readiness.clone(),
            kill: kill.clone(),
            net: OnceCell::new(),
        }
    }

    pub(super) fn set(&self, config: &ArtiConfig) {
        self.live.replace(config.clone());
    }

    /// The client; the first call starts it, and from then on it has its say in readiness.
    pub(super) async fn net(&self) -> Result<&ArtiNet, TransportError> {
        let start = || {
            let (observer, readiness) = (Arc::clone(&self.observer), self.readiness.clone());
            let told = move |state| readiness.set(Part::Tor, state);
            ArtiNet::start_with_callback(&self.live, self.amnesia, observer, told)
        };
        let net = self.net.get_or_try_init(start).await?;
        // An end that came before there was something to end.
        if self.kill.is_cancelled() {
            net.stop();
            return Err(TransportError::Cancelled);
        }
        Ok(net)
    }

    /// How far the bootstrap is, 0 to 1; `None` without a client.
    pub(crate) fn progress(&self) -> Option<f64> {
        self.net.get().map(ArtiNet::progress)
    }

    /// Begins its end.
    pub(crate) fn stop(&self) {
        if let Some(net) = self.net.get() {
            net.stop();
        }
    }

    /// Ends it and waits for that.
    pub(crate) async fn shutdown(&self) {
        let Some(net) = self.net.get() else {
            return;
        };
        if !net.shutdown(END).await {
            tracing::warn!(
                target: "ron_transport",
                event = "shutdown",
                "tor takes its time to end; it goes on in the background",
            );
        }
    }
}
