//! The running service.
//!
//! It runs the transport with its handlers and the admin endpoint, and orders their start and end.

mod config_watch;
mod handlers;
mod memory;
mod prepare;
mod reload;
pub(crate) mod signals;
mod start;

use std::sync::Arc;
use std::time::Duration;

use ron_transport::limits::Threads;
use ron_transport::{Endpoint, ReloadError, Transport, TransportError};
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::admin::{self, AdminState, BoundAdmin, StatusSource};
use crate::exit::ExitFailure;
use crate::logging::TARGET;
use crate::progress;
use crate::runtime;
use crate::sandbox::Sandbox;
use crate::startup::Sources;
use crate::systemd::{self, ServiceNotifier};
use crate::upstream::UpstreamPool;

use prepare::{FileThreads, Prepared, WorkerThreads};
use reload::Reloader;
use signals::{SignalEvent, Signals};
use start::{StartedParts, StartedService};

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
    let runtime = runtime::build(Builder::new_multi_thread())?;
    let workers = loader.start_workers()?;
    let begun = Arc::default();
    let serving = serve(sources, prepared, &workers, &begun, signals);
    let outcome = runtime.block_on(serving);
    // The admin endpoint ends first: it owns the transport, whose tasks belong to this runtime.
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
        transport,
        gateway,
        in_force,
        prometheus,
        admin,
        listen,
        is_inherited,
        mut watch,
        dropped,
        sandbox,
        pressure,
    } = started;
    let transport = &transport;
    tracing::info!(
        target: TARGET,
        event = "start",
        listen = %listen,
        inherited = is_inherited.then_some(true),
        admin = admin.as_ref().map(|admin| tracing::field::display(&admin.addr)),
        mode = gateway.mode.as_str(),
        forward_to = loggable(&gateway.forward_to),
        backend = transport.backend().as_str(),
        version = env!("CARGO_PKG_VERSION"),
    );
    let upstreams = Arc::new(UpstreamPool::new(gateway.targets()));
    // Background tasks, until the process ends.
    let mut beside = JoinSet::new();
    beside.spawn(prometheus.upkeep(UPKEEP));
    beside.spawn(memory::give_back(transport.limiter().clone()));
    let reading = pressure.reading();
    beside.spawn(pressure.watch(Arc::clone(transport)));
    beside.spawn(systemd::watchdog());
    beside.spawn(watch_replaced(sandbox.clone(), workers.look.clone()));
    let manager = ServiceNotifier::default();
    beside.spawn(manager.clone().resend());
    if let Some(BoundAdmin { addr, listener }) = admin {
        let source = StatusSource::new(transport, &upstreams, &in_force, dropped, reading);
        let report = sandbox.report();
        let state = AdminState::new(
            addr, &gateway, prometheus, transport, listen, source, report,
        );
        let served = workers.admin.run(admin::serve(listener, Arc::new(state)));
        beside.spawn(async move { drop(served.await) });
    }
    let shown = Arc::clone(transport);
    beside.spawn(async move {
        progress::show(&shown).await;
        std::future::pending::<()>().await;
    });
    let serving = handlers::serve(transport, gateway.mode, &upstreams);
    tokio::pin!(serving);
    manager.ready();
    let mut reloads = Reloader::new(
        sources,
        &workers.load,
        transport,
        &gateway,
        &upstreams,
        &in_force,
        sandbox,
    );
    if signals.take_reload() {
        manager.reloading();
        reloads.begin(&watch);
    }
    let name = loop {
        tokio::select! {
            ended = &mut serving => return ended.map_err(ExitFailure::from),
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
            loaded = reloads.ended() => {
                if let Some(digest) = loaded {
                    watch.acted_on(digest);
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
    drain(transport, serving, &mut signals).await
}

/// Returns the targets as logs show them; `None` without a target.
fn loggable(targets: &[Endpoint]) -> Option<String> {
    let targets: Vec<_> = targets.iter().map(Endpoint::loggable).collect();
    (!targets.is_empty()).then(|| targets.join(","))
}

/// Drains the transport; a second signal interrupts the drain.
///
/// Accepting continues until the transport stops it, so that readiness changes first.
async fn drain(
    transport: &Transport,
    serving: impl std::future::Future<Output = Result<(), TransportError>>,
    signals: &mut Signals,
) -> Result<(), ExitFailure> {
    let deadline = transport.config().general.drain_timeout();
    let drained = async { tokio::join!(transport.shutdown(deadline), serving) };
    tokio::pin!(drained);
    loop {
        tokio::select! {
            _ = &mut drained => return Ok(()),
            event = signals.next() => match event {
                SignalEvent::Stop(_) => return Err(ExitFailure::CutShort),
                SignalEvent::Reload => transport.reload_rejected(&ReloadError::Draining),
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
