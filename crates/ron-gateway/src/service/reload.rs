//! Reloads of the configuration.
//!
//! The transport decides which changes it can apply; every gateway key needs a restart.

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

/// A reload in progress; returns the digest of the loaded files.
type RunningReload = Pin<Box<dyn Future<Output = io::Result<u64>> + Send>>;

/// Runs reloads one at a time on their own thread.
///
/// The service continues meanwhile: a file system may take long for the configuration and the
/// certificates.
pub(super) struct Reloader {
    sources: Sources,
    load: Threads,
    transport: Arc<Transport>,
    gateway: Gateway,
    in_force: Arc<ActiveConfig>,
    sandbox: Sandbox,
    running: Option<RunningReload>,
    /// A further reload was requested during this one.
    again: bool,
}

impl Reloader {
    /// Creates a reloader of the running `gateway`; updates `in_force`.
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

    /// Returns whether a reload is in progress.
    pub(super) const fn are_running(&self) -> bool {
        self.running.is_some()
    }

    /// Starts a reload now, or after the current one.
    pub(super) fn begin(&mut self, watch: &ConfigWatch) {
        if self.are_running() {
            self.again = true;
            return;
        }
        let (sources, gateway) = (self.sources.clone(), self.gateway.clone());
        let (transport, digest) = (Arc::clone(&self.transport), watch.digest());
        let (in_force, sandbox) = (Arc::clone(&self.in_force), self.sandbox.clone());
        let job = move || {
            // Before the load, so that a change meanwhile is detected.
            let digest = digest();
            if let Some(effective) = reload(&sources, &transport, &gateway, &sandbox) {
                in_force.set(effective);
            }
            digest
        };
        let load = self.load.clone();
        self.running = Some(Box::pin(async move { load.run(job).await }));
    }

    /// Waits for the end of a reload; returns its digest.
    ///
    /// Pends while no reload is in progress. Cancel-safe.
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

    /// Takes the request for a further reload.
    pub(super) fn again(&mut self) -> bool {
        std::mem::take(&mut self.again)
    }
}

/// Loads and applies the configuration; returns it as it may be shown.
///
/// A rejected reload is counted and logged, and changes nothing.
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
        // The reload fails at that file, but still applies revocations.
        tracing::warn!(target: TARGET, event = "sandbox", error = %why);
    }
    let shown = shown(&effective);
    // The transport counts and logs the result.
    let reloaded = transport.reload(effective.transport.into_settings());
    reloaded.is_ok().then_some(shown)
}
