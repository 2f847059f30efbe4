//! Reloads of the configuration.
//!
//! The transport decides which changes it can apply. Of the gateway's keys only `forward_to` can
//! change without a restart.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use ron_transport::config::changed;
use ron_transport::limits::Threads;
use ron_transport::schema::Reload;
use ron_transport::{Config, Endpoint, Scheme, Transport, TransportError};
use serde_json::Value;
use tokio::runtime::Handle;

use super::config_watch::ConfigWatch;
use crate::admin::{shown, ActiveConfig};
use crate::conflicts;
use crate::exit::ExitFailure;
use crate::logging::TARGET;
use crate::sandbox::Sandbox;
use crate::settings::Gateway;
use crate::startup::Sources;
use crate::upstream::UpstreamPool;

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
    upstreams: Arc<UpstreamPool>,
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
        upstreams: &Arc<UpstreamPool>,
        in_force: &Arc<ActiveConfig>,
        sandbox: Sandbox,
    ) -> Self {
        Self {
            sources: sources.clone(),
            load: load.clone(),
            transport: Arc::clone(transport),
            gateway: gateway.clone(),
            upstreams: Arc::clone(upstreams),
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
        let (upstreams, runtime) = (Arc::clone(&self.upstreams), Handle::current());
        let job = move || {
            // Before the load, so that a change meanwhile is detected.
            let digest = digest();
            let prepare = |to: &Endpoint| runtime.block_on(transport.prepare_for(to));
            if let Some(loaded) = load(&sources, &transport, &gateway, &sandbox, prepare) {
                loaded.apply(&transport, &upstreams, &in_force);
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

/// A configuration that passed every check before the transport's own.
struct LoadedReload {
    config: Config,
    targets: Vec<Endpoint>,
    shown: Value,
}

impl LoadedReload {
    /// Applies the configuration, unless the transport rejects it.
    fn apply(self, transport: &Transport, upstreams: &UpstreamPool, in_force: &ActiveConfig) {
        // The transport counts and logs the result.
        if transport.reload(self.config).is_ok() {
            upstreams.replace(self.targets);
            in_force.set(self.shown);
        }
    }
}

/// Loads and checks the configuration.
///
/// A rejected reload is counted and logged, and changes nothing.
fn load(
    sources: &Sources,
    transport: &Transport,
    running: &Gateway,
    sandbox: &Sandbox,
    prepare: impl Fn(&Endpoint) -> Result<(), TransportError>,
) -> Option<LoadedReload> {
    let checked = checked(sources, transport, running, sandbox, prepare);
    checked
        .inspect_err(|why| transport.reload_rejected(why))
        .ok()
}

fn checked(
    sources: &Sources,
    transport: &Transport,
    running: &Gateway,
    sandbox: &Sandbox,
    prepare: impl Fn(&Endpoint) -> Result<(), TransportError>,
) -> Result<LoadedReload, String> {
    sandbox.check_files(&sources.files)?;
    let text = |failure: ExitFailure| failure.to_string();
    let effective = sources.load_to_listen().map_err(text)?;
    let gateway = effective.gateway.settings();
    let needs_restart = changed(running, gateway).into_iter();
    let mut fixed: Vec<_> = needs_restart
        .filter(|key| key.reload == Reload::Restart)
        .map(|key| format!("gateway.{}", key.path))
        .collect();
    let uses_tor = |to: &Endpoint| matches!(to.scheme(), Scheme::Tor | Scheme::TlsOverTor);
    if gateway.forward_to.iter().any(uses_tor) && transport.tor_progress().is_none() {
        // The sandbox opens the directories of a Tor client at the start only.
        fixed.push("gateway.forward_to (the first target over Tor)".to_owned());
    }
    if !fixed.is_empty() {
        return Err(format!("needs a restart: {}", fixed.join(", ")));
    }
    if let Some(listen) = transport.local_addr() {
        conflicts::check_listening(gateway, &listen).map_err(text)?;
    }
    for to in &gateway.forward_to {
        prepare(to).map_err(|error| format!("gateway.forward_to ({}): {error}", to.loggable()))?;
    }
    if let Err(why) = sandbox.check(&effective) {
        // The reload fails at that file, but still applies revocations.
        tracing::warn!(target: TARGET, event = "sandbox", error = %why);
    }
    let shown = shown(&effective);
    Ok(LoadedReload {
        targets: gateway.targets(),
        config: effective.transport.into_settings(),
        shown,
    })
}
