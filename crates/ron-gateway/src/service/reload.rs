//! Loading the configuration anew. The transport says what of it can be put in force; the
//! gateway's own keys all need a restart.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use ron_transport::config::changed;
use ron_transport::limits::Threads;
use ron_transport::Transport;
use serde_json::Value;

use super::config_watch::ConfigWatch;
use crate::admin::{shown, ActiveConfig};
use crate::logging::TARGET;
use crate::sandbox::Sandbox;
use crate::settings::Gateway;
use crate::startup::Sources;

/// A reload under way: it ends with the digest of the files that it loaded.
type RunningReload = Pin<Box<dyn Future<Output = io::Result<u64>> + Send>>;

/// Reloader on a thread of their own, one at a time, while the service goes on: a file system may
/// take its time, with the configuration and with the certificates that it names.
pub(super) struct Reloader {
    sources: Sources,
    load: Threads,
    transport: Arc<Transport>,
    gateway: Gateway,
    in_force: Arc<ActiveConfig>,
    sandbox: Sandbox,
    running: Option<RunningReload>,
    /// It was asked for again meanwhile.
    again: bool,
}

impl Reloader {
    /// None yet; `gateway` is what runs, and `in_force` is told of what takes its place.
    pub(super) fn new(
        sources: &Sources,
        load: &Threads,
        transport: &Arc<Transport>,
        gateway: &Gateway,
        in_force: &Arc<ActiveConfig>,
        sandbox: Sandbox,
    ) -> Self {
        Self {
            sources: sources.clone(),
            load: load.clone(),
            transport: Arc::clone(transport),
            gateway: gateway.clone(),
            in_force: Arc::clone(in_force),
            sandbox,
            running: None,
            again: false,
        }
    }

    /// Whether one is under way.
    pub(super) const fn are_running(&self) -> bool {
        self.running.is_some()
    }

    /// Begins one, at once or when the one under way has ended.
    pub(super) fn begin(&mut self, watch: &ConfigWatch) {
        if self.are_running() {
            self.again = true;
            return;
        }
        let (sources, gateway) = (self.sources.clone(), self.gateway.clone());
        let (transport, digest) = (Arc::clone(&self.transport), watch.digest());
        let (in_force, sandbox) = (Arc::clone(&self.in_force), self.sandbox.clone());
        let job = move || {
            // Before the load, so that a change meanwhile is seen.
            let digest = digest();
            if let Some(effective) = reload(&sources, &transport, &gateway, &sandbox) {
                in_force.set(effective);
            }
            digest
        };
        let load = self.load.clone();
        self.running = Some(Box::pin(async move { load.run(job).await }));
    }

    /// Waits for the end of one, and gives the digest of the files that it loaded; for ever where
    /// there is none. Cancel-safe.
    pub(super) async fn ended(&mut self) -> Option<u64> {
        let Some(running) = &mut self.running else {
            return std::future::pending().await;
        };
        let ended = running.await;
        self.running = None;
        ended
            .inspect_err(|error| self.transport.reload_rejected(error))
            .ok()
    }

    /// Whether another was asked for during the last one; it is not asked twice.
    pub(super) fn again(&mut self) -> bool {
        std::mem::take(&mut self.again)
    }
}

/// Loads and applies, and gives what is in force now as it may be shown; what is refused is counted
/// and logged, and changes nothing.
fn reload(
    sources: &Sources,
    transport: &Transport,
    running: &Gateway,
    sandbox: &Sandbox,
) -> Option<Value> {
    if let Err(why) = sandbox.check_files(&sources.files) {
        transport.reload_rejected(&why);
        return None;
    }
    let effective = match sources.load_to_listen() {
        Ok(effective) => effective,
        Err(failure) => {
            transport.reload_rejected(&failure);
            return None;
        }
    };
    let fixed = changed(running, effective.gateway.settings());
    if !fixed.is_empty() {
        let keys: Vec<_> = fixed
            .iter()
            .map(|key| format!("gateway.{}", key.path))
            .collect();
        let why = format!("needs a restart: {}", keys.join(", "));
        transport.reload_rejected(&why);
        return None;
    }
    if let Err(why) = sandbox.check(&effective) {
        // The reload fails at that file, and applies withdrawals all the same.
        tracing::warn!(target: TARGET, event = "sandbox", error = %why);
    }
    let shown = shown(&effective);
    // Counted and logged there, either way.
    let reloaded = transport.reload(effective.transport.into_settings());
    reloaded.is_ok().then_some(shown)
}
