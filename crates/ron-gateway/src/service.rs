//! The running service.
//!
//! It runs the transport with its handlers and the admin endpoint, and orders their start and end.

mod config_watch;
mod handlers;
mod listeners;
mod memory;
mod prepare;
mod reload;
pub(crate) mod signals;
mod start;
mod tasks;
mod workers;

use std::sync::Arc;
use std::time::Duration;

use ron_transport::limits::Threads;
use ron_transport::{Endpoint, ReloadError};
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::admin::{self, AdminState, BoundAdmin, StatusSource};
use crate::exit::ExitFailure;
use crate::logging::TARGET;
use crate::progress;
use crate::runtime;
use crate::sandbox::Sandbox;
use crate::settings::AdminAddr;
use crate::startup::Sources;
use crate::systemd::{self, ServiceNotifier};

use prepare::{FileThreads, Prepared, WorkerThreads};
use reload::{EndedReload, ReloadParts, Reloader};
use signals::{SignalEvent, Signals};
use start::{StartedParts, StartedService};
use tasks::ListenerTasks;

pub(crate) use listeners::{Listeners, RunningListener};

/// Interval of moving samples into buckets between scrapes.
const UPKEEP: Duration = Duration::from_secs(5);
/// Interval of checks for replaced files.
const REPLACED_EVERY: Duration = Duration::from_secs(5);

/// Runs the service until a signal stops it.
pub(crate) fn run(sources: &Sources) -> Result<(), ExitFailure> {
    let loader = FileThreads::default();
    // A runtime without threads: later threads must inherit the sandbox.
    let front = runtime::build(Builder::new_current_thread())?;
    // Before all else, so that no signal kills the process.
    let mut signals = {
        let _inside = front.enter();
        Signals::new()
            .map_err(|error| ExitFailure::runtime("cannot install signal handlers", &error))?
    };
    let preparing = prepare::prepare(sources, &loader, &mut signals);
    let Some(prepared) = front.block_on(preparing)? else {
        return Ok(());
    };
    drop(front);
    prepared.sandbox.restrict_last_thread()?;
    // For signals, reloads and background tasks; connections live on the workers.
    let runtime = runtime::build(Builder::new_current_thread())?;
    let workers = loader.start_workers(&prepared.effective)?;
    let begun = Arc::default();
    let serving = serve(sources, prepared, &workers, &begun, signals);
    let outcome = runtime.block_on(serving);
    // They end first: the admin endpoint owns the transport, whose tasks belong to the workers.
    drop(workers);
    // Do not wait for a pending name lookup.
    runtime.shutdown_background();
    drop(begun.take_log());
    outcome
}

async fn serve(
    sources: &Sources,
    prepared: Prepared,
    workers: &WorkerThreads,
    begun: &Arc<StartedParts>,
    mut signals: Signals,
) -> Result<(), ExitFailure> {
    let starting = start::start(sources, prepared, workers, begun, &mut signals);
    let started = starting.await;
    let outcome = match started {
        Ok(Some(started)) => run_on(started, sources, workers, signals).await,
        Ok(None) => {
            begun.end_tor().await;
            Ok(())
        }
        Err(failure) => Err(failure),
    };
    if outcome.is_err() {
        begun.end_tor().await;
    }
    outcome
}

async fn run_on(
    started: StartedService,
    sources: &Sources,
    workers: &WorkerThreads,
    mut signals: Signals,
) -> Result<(), ExitFailure> {
    let StartedService {
        listeners,
        starter,
        gateway,
        in_force,
        admin,
        mut watch,
        dropped,
        sandbox,
        pressure,
    } = started;
    let admin_addr = admin.as_ref().map(|admin| admin.addr.clone());
    // Background tasks, until the process ends.
    let mut beside = JoinSet::new();
    beside.spawn(starter.prometheus.upkeep(UPKEEP));
    // A thread can return only its own freed memory.
    beside.spawn(give_back(listeners.clone()));
    let _giving_back = workers.data.each(|| give_back(listeners.clone()));
    let reading = pressure.reading();
    beside.spawn(pressure.watch(listeners.clone()));
    beside.spawn(systemd::watchdog());
    beside.spawn(watch_replaced(sandbox.clone(), workers.look.clone()));
    let manager = ServiceNotifier::default();
    beside.spawn(manager.clone().resend());
    let mut tasks = ListenerTasks::on(&workers.data);
    for one in listeners.all() {
        log_start(&one, admin_addr.as_ref());
        tasks.serve(&listeners, one);
    }
    if let Some(BoundAdmin { addr, listener }) = admin {
        let source = StatusSource::new(&listeners, &in_force, dropped, reading, workers.runtimes());
        let state = AdminState::new(
            addr,
            &gateway.process,
            starter.prometheus.clone(),
            source,
            sandbox.report(),
        );
        let served = workers.admin.run(admin::serve(listener, Arc::new(state)));
        beside.spawn(async move { drop(served.await) });
    }
    beside.spawn(show_progress(listeners.clone()));
    manager.ready();
    let parts = ReloadParts {
        sources: sources.clone(),
        listeners: listeners.clone(),
        starter,
        gateway,
        in_force,
        sandbox,
    };
    let mut reloads = Reloader::new(parts, &workers.load);
    if signals.take_reload() {
        manager.reloading();
        reloads.begin(&watch);
    }
    let name = loop {
        tokio::select! {
            failure = tasks.failed() => return Err(failure),
            event = signals.next() => match event {
                SignalEvent::Stop(name) => break name,
                SignalEvent::Reload => {
                    manager.reloading();
                    reloads.begin(&watch);
                }
                SignalEvent::Ignored(name) => ignored(name),
            },
            () = watch.changed(), if !reloads.are_running() => {
                manager.reloading();
                reloads.begin(&watch);
            }
            ended = reloads.ended() => {
                if let Some(EndedReload { digest, applied }) = ended {
                    watch.acted_on(digest);
                    for one in applied.added {
                        log_start(&one, admin_addr.as_ref());
                        tasks.serve(&listeners, one);
                    }
                    applied.removed.into_iter().for_each(|one| tasks.drain(&listeners, one));
                }
                if reloads.again() {
                    reloads.begin(&watch);
                } else {
                    manager.ready();
                }
            }
            Some(ended) = beside.join_next() => return Err(beside_ended(ended)),
        }
    };
    tracing::info!(target: TARGET, event = "signal", signal = name, "draining");
    manager.stopping();
    // A reload in progress would add listeners: those that it has bound end with the process.
    drain(&listeners, tasks, &mut signals).await
}

/// Logs a listener that accepts from now on.
fn log_start(one: &RunningListener, admin: Option<&AdminAddr>) {
    let service = one.plan().service;
    tracing::info!(
        target: TARGET,
        event = "start",
        transport = one.name(),
        listen = one.listen(),
        inherited = one.is_inherited.then_some(true),
        admin = admin.map(tracing::field::display),
        mode = service.mode.as_str(),
        forward_to = loggable(&service.forward_to),
        backend = one.transport.backend().as_str(),
        version = env!("CARGO_PKG_VERSION"),
    );
}

/// Returns freed memory to the system, indefinitely.
async fn give_back(listeners: Listeners) {
    match listeners.limiter() {
        Some(limiter) => memory::give_back(limiter).await,
        None => std::future::pending().await,
    }
}

/// Shows the bootstrap of the Tor client, if any.
async fn show_progress(listeners: Listeners) {
    let mut all = listeners.all().into_iter();
    if let Some(one) = all.find(|one| one.transport.tor_progress().is_some()) {
        progress::show(&one.transport).await;
    }
    std::future::pending::<()>().await;
}

/// Returns the targets as logs show them; `None` without a target.
fn loggable(targets: &[Endpoint]) -> Option<String> {
    let targets: Vec<_> = targets.iter().map(Endpoint::loggable).collect();
    (!targets.is_empty()).then(|| targets.join(","))
}

/// Drains all listeners; a second signal interrupts the drain.
///
/// Accepting continues until the transports stop it, so that readiness changes first.
async fn drain(
    listeners: &Listeners,
    tasks: ListenerTasks<'_>,
    signals: &mut Signals,
) -> Result<(), ExitFailure> {
    let drained = async { tokio::join!(listeners.shutdown(), tasks.ended()) };
    tokio::pin!(drained);
    loop {
        tokio::select! {
            _ = &mut drained => return Ok(()),
            event = signals.next() => match event {
                SignalEvent::Stop(_) => return Err(ExitFailure::CutShort),
                SignalEvent::Reload => listeners.reload_rejected(&ReloadError::Draining),
                SignalEvent::Ignored(name) => ignored(name),
            },
        }
    }
}

/// Checks for files that the sandbox no longer allows, indefinitely.
async fn watch_replaced(sandbox: Sandbox, look: Threads) {
    loop {
        sleep(REPLACED_EVERY).await;
        let sandbox = sandbox.clone();
        // If no thread is free, the next check follows in time.
        let _ = look.run(move || sandbox.warn_of_replaced()).await;
    }
}

/// Logs a signal without effect.
fn ignored(name: &'static str) {
    tracing::info!(target: TARGET, event = "signal", signal = name, "ignored");
}

/// Returns the failure of a background task, which must not end.
fn beside_ended(ended: Result<(), tokio::task::JoinError>) -> ExitFailure {
    match ended {
        Ok(()) => ExitFailure::Runtime("the admin endpoint ended".to_owned()),
        Err(error) => ExitFailure::runtime("the admin endpoint failed", &error),
    }
}
