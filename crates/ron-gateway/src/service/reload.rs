//! Reloads of the configuration.
//!
//! A reload applies to all listeners or to none. Of `[gateway]` only the service of listeners can
//! change without a restart.

mod changes;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use ron_transport::config::changed;
use ron_transport::limits::Threads;
use ron_transport::schema::Reload;
use ron_transport::{Limits, ListenAddr, StagedAddrs};
use tokio::runtime::Handle;

use super::config_watch::ConfigWatch;
use super::listeners::{ListenerStarter, Listeners, RunningListener};
use crate::admin::{shown, ActiveConfig};
use crate::conflicts;
use crate::exit::ExitFailure;
use crate::listener::ListenerPlan;
use crate::logging::TARGET;
use crate::sandbox::Sandbox;
use crate::settings::Gateway;
use crate::startup::Sources;

use changes::ListenerChanges;

/// The listeners that a reload has started and removed.
#[derive(Default)]
pub(super) struct AppliedReload {
    /// Bound; the caller serves them.
    pub(super) added: Vec<Arc<RunningListener>>,
    /// Still accepting; the caller drains them.
    pub(super) removed: Vec<Arc<RunningListener>>,
}

/// The digest of the loaded files, and the changed listeners.
pub(super) struct EndedReload {
    pub(super) digest: u64,
    pub(super) applied: AppliedReload,
}

/// The reason why a reload changed no listener.
enum Rejection {
    /// The transport at fault has counted and logged it.
    Reported,
    /// Not reported yet.
    Why(String),
}

impl From<String> for Rejection {
    fn from(why: String) -> Self {
        Self::Why(why)
    }
}

type RunningReload = Pin<Box<dyn Future<Output = io::Result<EndedReload>> + Send>>;

/// The parts that a reload reads and changes.
#[derive(Clone)]
pub(super) struct ReloadParts {
    pub(super) sources: Sources,
    pub(super) listeners: Listeners,
    pub(super) starter: ListenerStarter,
    /// The configuration of the process, which only a restart changes.
    pub(super) gateway: Gateway,
    pub(super) in_force: Arc<ActiveConfig>,
    pub(super) sandbox: Sandbox,
}

/// Runs reloads one at a time on their own thread.
///
/// The service continues meanwhile: a file system may take long for the configuration and the
/// certificates.
pub(super) struct Reloader {
    parts: ReloadParts,
    load: Threads,
    running: Option<RunningReload>,
    /// A further reload was requested during this one.
    again: bool,
}

impl Reloader {
    pub(super) fn new(parts: ReloadParts, load: &Threads) -> Self {
        Self {
            parts,
            load: load.clone(),
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
        let (parts, digest, runtime) = (self.parts.clone(), watch.digest(), Handle::current());
        let job = move || {
            // Before the load, so that a change meanwhile is detected.
            let digest = digest();
            let applied = parts.reload(&runtime).unwrap_or_else(|rejection| {
                if let Rejection::Why(why) = rejection {
                    parts.listeners.reload_rejected(&why);
                }
                AppliedReload::default()
            });
            EndedReload { digest, applied }
        };
        let load = self.load.clone();
        self.running = Some(Box::pin(async move { load.run(job).await }));
    }

    /// Waits for the end of a reload.
    ///
    /// Pends while no reload is in progress. Cancel-safe.
    pub(super) async fn ended(&mut self) -> Option<EndedReload> {
        let Some(running) = &mut self.running else {
            return std::future::pending().await;
        };
        let ended = running.await;
        self.running = None;
        ended
            .inspect_err(|error| self.parts.listeners.reload_rejected(error))
            .ok()
    }

    /// Takes the request for a further reload.
    pub(super) fn again(&mut self) -> bool {
        std::mem::take(&mut self.again)
    }
}

impl ReloadParts {
    /// Loads and applies the configuration, to all listeners or to none.
    fn reload(&self, runtime: &Handle) -> Result<AppliedReload, Rejection> {
        self.sandbox.check_files(&self.sources.files)?;
        let effective = self.sources.load_to_listen().map_err(text)?;
        let needs_restart = changed(&self.gateway, effective.gateway.settings()).into_iter();
        let fixed: Vec<_> = needs_restart
            .filter(|key| key.reload == Reload::Restart)
            .map(|key| format!("gateway.{}", key.path))
            .collect();
        if !fixed.is_empty() {
            return Err(format!("needs a restart: {}", fixed.join(", ")).into());
        }
        let plans = effective.plans();
        let running = self.listeners.all();
        for one in &running {
            for plan in &plans {
                conflicts::check_listening(plan, &one.addrs()).map_err(text)?;
            }
        }
        let changes = ListenerChanges::between(&running, plans)?;
        if let Err(why) = self.sandbox.check(&effective) {
            // The reload fails at that file, but still applies revocations.
            tracing::warn!(target: TARGET, event = "sandbox", error = %why);
        }
        let (shown, limits) = (shown(&effective), &effective.transport.settings().limits);
        let names: Vec<_> = changes.added.iter().map(|plan| plan.name.clone()).collect();
        let applied = self.apply(changes, limits, runtime).inspect_err(|_| {
            // A new listener that failed may have the name of a running one.
            for name in &names {
                self.listeners.report_successor(name.as_deref());
            }
        })?;
        self.in_force.set(shown);
        Ok(applied)
    }

    /// Starts added listeners, changes kept ones, and replaces the set.
    fn apply(
        &self,
        changes: ListenerChanges,
        limits: &Limits,
        runtime: &Handle,
    ) -> Result<AppliedReload, Rejection> {
        let mut added = Vec::new();
        for plan in changes.added {
            // A transport that is dropped closes its listener.
            let started = runtime.block_on(self.start(&plan));
            added.push(Arc::new(
                started.map_err(|why| named(&plan, &why.to_string()))?,
            ));
        }
        for (one, plan) in &changes.kept {
            let prepared = super::listeners::prepare(&one.transport, plan);
            let prepared = runtime.block_on(prepared);
            prepared.map_err(|why| named(plan, &why.to_string()))?;
        }
        // Opened before any change, and used after the last one that can fail.
        let staged = stage(&changes.kept)?;
        self.change(&changes.kept, limits)?;
        for (one, staged) in staged {
            let before = one.addrs();
            staged.commit();
            log_addrs(one, &before);
        }
        let kept = changes.kept.into_iter().map(|(one, plan)| {
            one.set_plan(plan);
            one
        });
        let mut all: Vec<_> = kept.chain(added.iter().cloned()).collect();
        all.sort_by(|one, other| one.name().cmp(&other.name()));
        self.listeners.replace(all);
        Ok(AppliedReload {
            added,
            removed: changes.removed,
        })
    }

    async fn start(&self, plan: &ListenerPlan) -> Result<RunningListener, ExitFailure> {
        let transport = Arc::new(self.starter.build(plan)?);
        self.starter
            .listen(transport, plan.clone(), Vec::new())
            .await
    }

    /// Reloads the transports of listeners.
    ///
    /// A failure restores those that were changed before.
    fn change(
        &self,
        kept: &[(Arc<RunningListener>, ListenerPlan)],
        limits: &Limits,
    ) -> Result<(), Rejection> {
        let shared = self.starter.shared.as_ref();
        let before = shared.map(ron_transport::Limiter::limits);
        if let Some(shared) = shared {
            shared.apply(limits).map_err(|why| why.to_string())?;
        }
        for (at, (one, plan)) in kept.iter().enumerate() {
            if one.transport.reload_settings(plan.config.clone()).is_ok() {
                continue;
            }
            if let (Some(shared), Some(before)) = (shared, &before) {
                // These limits were in force, so they are valid.
                let _ = shared.apply(before);
            }
            for (changed, _) in &kept[..at] {
                // Its result is logged: a file may have become unusable in the meantime.
                let _ = changed.transport.reload_settings(changed.plan().config);
            }
            return Err(Rejection::Reported);
        }
        Ok(())
    }
}

/// Opens the sockets of addresses that a reload adds to running listeners.
fn stage(
    kept: &[(Arc<RunningListener>, ListenerPlan)],
) -> Result<Vec<(&Arc<RunningListener>, StagedAddrs)>, Rejection> {
    let staged = kept.iter().map(|(one, plan)| {
        let staged = one.transport.stage_addrs(&plan.config);
        staged
            .map(|staged| (one, staged))
            .map_err(|_| Rejection::Reported)
    });
    staged.collect()
}

/// Logs the addresses of a listener that a reload has changed.
fn log_addrs(one: &RunningListener, before: &[ListenAddr]) {
    if one.addrs() != before {
        tracing::info!(
            target: TARGET,
            event = "listener",
            transport = one.name(),
            listen = one.listen(),
            "addresses changed by a reload: connections continue",
        );
    }
}

fn named(plan: &ListenerPlan, why: &str) -> String {
    match &plan.name {
        Some(name) => format!("listeners.{name}: {why}"),
        None => why.to_owned(),
    }
}

#[allow(clippy::needless_pass_by_value)] // For `map_err`.
fn text(failure: ExitFailure) -> String {
    failure.to_string()
}
