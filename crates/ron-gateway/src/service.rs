//! The running service: the transport with its handlers, the admin endpoint beside it, and the
//! order in which they begin and end.

mod handlers;
mod memory;
mod pressure;
mod reload;
pub(crate) mod signals;
mod start;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use ron_transport::{Endpoint, ReloadError, Transport, TransportError};
use tokio::runtime::Builder;
use tokio::task::JoinSet;

use crate::admin::{Live, Since, State};
use crate::exit::Failure;
use crate::logging::TARGET;
use crate::progress;
use crate::runtime;
use crate::startup::Sources;
use crate::systemd::{self, Manager};

pub(crate) use pressure::Reading;
use reload::Reloads;
use signals::{Signals, Told};
use start::{Begun, Started, Workers};

/// How often recorded samples move into their buckets while nobody scrapes.
const UPKEEP: Duration = Duration::from_secs(5);

/// Runs the service until it is told to stop.
pub(crate) fn run(sources: &Sources) -> Result<(), Failure> {
    let runtime = runtime::build(Builder::new_multi_thread())?;
    // First of all, so that no signal finds the process unprepared.
    let signals = {
        let _inside = runtime.enter();
        Signals::new().map_err(|error| Failure::runtime("cannot watch signals", &error))?
    };
    let workers = Workers::start()?;
    let begun = Arc::default();
    let outcome = runtime.block_on(serve(sources, &workers, &begun, signals));
    // A name that is still being resolved is not waited for.
    runtime.shutdown_background();
    drop(begun.take_log());
    outcome
}

async fn serve(
    sources: &Sources,
    workers: &Workers,
    begun: &Arc<Begun>,
    mut signals: Signals,
) -> Result<(), Failure> {
    let mut reload = false;
    let started = start::start(sources, workers, begun, &mut signals, &mut reload).await;
    let outcome = match started {
        Ok(Some(started)) => run_on(started, sources, workers, signals, reload).await,
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
    started: Started,
    sources: &Sources,
    workers: &Workers,
    mut signals: Signals,
    reload: bool,
) -> Result<(), Failure> {
    let Started {
        transport,
        gateway,
        in_force,
        prometheus,
        admin,
        listen,
        is_inherited,
        mut watch,
        dropped,
        pressure,
    } = started;
    let transport = &transport;
    tracing::info!(
        target: TARGET,
        event = "start",
        listen = %listen,
        inherited = is_inherited.then_some(true),
        admin = admin.as_ref().and_then(|admin| admin.local_addr().ok()).map(tracing::field::display),
        mode = gateway.mode.as_str(),
        forward_to = gateway.forward_to.as_ref().map(Endpoint::loggable),
        backend = transport.backend().as_str(),
        version = env!("CARGO_PKG_VERSION"),
    );
    // What runs beside the transport, to the very end.
    let mut beside = JoinSet::new();
    beside.spawn(prometheus.upkeep(UPKEEP));
    beside.spawn(memory::give_back(transport.limiter().clone()));
    let reading = pressure.reading();
    beside.spawn(pressure.watch(Arc::clone(transport)));
    beside.spawn(systemd::watchdog());
    let manager = Manager::default();
    beside.spawn(manager.clone().tell_again());
    if let Some(admin) = admin {
        let readiness = transport.readiness();
        let since = Since::now(*readiness.borrow());
        let state = Arc::new(State {
            prometheus,
            readiness,
            degraded_is_ready: gateway.degraded_is_ready,
            backend: transport.backend(),
            mode: gateway.mode,
            listen,
            since,
            tor_progress: {
                let transport = Arc::clone(transport);
                Box::new(move || transport.tor_progress())
            },
            live: Live::new(transport, &in_force, dropped, reading),
        });
        let watching = Arc::clone(&state);
        beside.spawn(async move { watching.watch().await });
        beside.spawn(admin.serve(state));
    }
    let shown = Arc::clone(transport);
    beside.spawn(async move {
        progress::show(&shown).await;
        std::future::pending::<()>().await;
    });
    let serving = handlers::serve(transport, &gateway);
    tokio::pin!(serving);
    manager.ready();
    let mut reloads = Reloads::new(sources, &workers.load, transport, &gateway, &in_force);
    if reload {
        manager.reloading();
        reloads.begin(&watch);
    }
    let name = loop {
        tokio::select! {
            ended = &mut serving => return ended.map_err(Failure::from),
            told = signals.next() => match told {
                Told::Stop(name) => break name,
                Told::Reload => {
                    manager.reloading();
                    reloads.begin(&watch);
                }
                Told::Nothing(name) => ignored(name),
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

/// Ends gently, or at once on another signal. Accepting goes on until the transport stops it, so
/// that readiness changes first.
async fn drain(
    transport: &Transport,
    serving: impl std::future::Future<Output = Result<(), TransportError>>,
    signals: &mut Signals,
) -> Result<(), Failure> {
    let deadline = transport.config().general.drain_timeout();
    let drained = async { tokio::join!(transport.shutdown(deadline), serving) };
    tokio::pin!(drained);
    loop {
        tokio::select! {
            _ = &mut drained => return Ok(()),
            told = signals.next() => match told {
                Told::Stop(_) => return Err(Failure::CutShort),
                Told::Reload => transport.reload_rejected(&ReloadError::Draining),
                Told::Nothing(name) => ignored(name),
            },
        }
    }
}

/// A signal that means nothing to the gateway.
fn ignored(name: &'static str) {
    tracing::info!(target: TARGET, event = "signal", signal = name, "ignored");
}

/// None of these ends by itself.
fn beside_ended(ended: Result<(), tokio::task::JoinError>) -> Failure {
    match ended {
        Ok(()) => Failure::Runtime("the admin endpoint ended".to_owned()),
        Err(error) => Failure::runtime("the admin endpoint failed", &error),
    }
}
