//! Bootstraps a client and launches the onion service on it, with retries.

use std::sync::Arc;
use std::time::Duration;

use arti_client::TorClient;
use tokio::time::sleep;
use transport_core::TransportError;

use crate::client::ArtiRuntime;
use crate::events::TARGET;
use crate::onion::{LaunchedService, OnionServiceSetup};

/// Pause after a failed attempt. Arti itself makes over 100 attempts before it fails.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Logs the first failure of a retried operation, not its repetitions.
#[derive(Default)]
pub(super) struct LogFirstFailure {
    logged: bool,
}

impl LogFirstFailure {
    pub(super) fn record(&mut self, error: &TransportError, message: &str) {
        if !std::mem::replace(&mut self.logged, true) {
            tracing::warn!(target: TARGET, event = "bootstrap", error = %error, "{message}");
        }
    }
}

/// Bootstraps the client, then launches the service; retries until both succeed.
///
/// A launch fails while another process uses the service's state directory.
pub(super) async fn bootstrap(
    tor: Arc<TorClient<ArtiRuntime>>,
    onion: Option<Arc<OnionServiceSetup>>,
) -> Option<LaunchedService> {
    while tor.bootstrap().await.is_err() {
        sleep(RETRY_PAUSE).await;
    }
    let onion = onion?;
    let mut failures = LogFirstFailure::default();
    loop {
        match onion.launch(&tor) {
            Ok(launched) => return Some(launched),
            Err(error) => failures.record(
                &error,
                "the onion service cannot be launched; retrying every second",
            ),
        }
        sleep(RETRY_PAUSE).await;
    }
}
