//! Loading the configuration anew. The transport says what of it can be put in force; the
//! gateway's own keys all need a restart.

use ron_transport::config::{changed, ConfigErrors};
use ron_transport::Transport;
use tokio::task::{JoinError, JoinHandle};

use super::watch::Watch;
use crate::settings::Gateway;
use crate::startup::{Effective, Sources};

/// A load off the runtime's threads, while the service goes on: a file system may take its time,
/// and so may a long list of errors.
#[derive(Default)]
pub(super) struct Reloads {
    loading: Option<JoinHandle<Read>>,
    /// It was asked for again meanwhile.
    again: bool,
}

/// What a load read: the digest of the files from before, so that a change meanwhile is seen.
struct Read {
    digest: u64,
    loaded: Result<Effective, ConfigErrors>,
}

/// How a load ended.
pub(super) struct Ended(Result<Read, JoinError>);

impl Reloads {
    /// Whether a load is under way.
    pub(super) const fn are_running(&self) -> bool {
        self.loading.is_some()
    }

    /// Begins a load, at once or when the one under way has ended.
    pub(super) fn begin(&mut self, sources: &Sources, watch: &Watch) {
        if self.are_running() {
            self.again = true;
            return;
        }
        let (sources, digest) = (sources.clone(), watch.digest());
        self.loading = Some(tokio::task::spawn_blocking(move || Read {
            digest: digest(),
            loaded: sources.load(),
        }));
    }

    /// Waits for the end of a load; for ever where there is none. Cancel-safe.
    pub(super) async fn ended(&mut self) -> Ended {
        let Some(loading) = &mut self.loading else {
            return std::future::pending().await;
        };
        let ended = loading.await;
        self.loading = None;
        Ended(ended)
    }

    /// Whether another load was asked for during the last one; it is not asked twice.
    pub(super) fn again(&mut self) -> bool {
        std::mem::take(&mut self.again)
    }
}

impl Ended {
    /// Applies what was loaded; what is refused is counted and logged, and changes nothing.
    pub(super) fn apply(self, watch: &mut Watch, transport: &Transport, running: &Gateway) {
        let read = match self.0 {
            Ok(read) => read,
            Err(error) => return transport.reload_rejected(&error),
        };
        watch.acted_on(read.digest);
        let effective = match read.loaded {
            Ok(effective) => effective,
            Err(errors) => return transport.reload_rejected(&errors),
        };
        let fixed = changed(running, effective.gateway.settings());
        if !fixed.is_empty() {
            let keys: Vec<_> = fixed
                .iter()
                .map(|key| format!("gateway.{}", key.path))
                .collect();
            let why = format!("needs a restart: {}", keys.join(", "));
            return transport.reload_rejected(&why);
        }
        // Counted and logged there, either way.
        let _ = transport.reload(effective.transport.into_settings());
    }
}
