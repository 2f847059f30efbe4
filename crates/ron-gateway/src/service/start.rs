//! The start, from a loaded configuration to a listening transport.
//!
//! It may block on files for as long as the file system takes, so it runs on another thread than
//! the signals.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ron_transport::limits::Limiter;
use ron_transport::metrics::Prometheus;
use ron_transport::Transport;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::config_watch::ConfigWatch;
use super::listeners::{ListenerStarter, Listeners};
use super::prepare::{Prepared, WorkerThreads};
use super::signals::Signals;
use crate::admin::{ActiveConfig, AdminBinder, BoundAdmin};
use crate::conflicts;
use crate::effective::EffectiveConfig;
use crate::exit::ExitFailure;
use crate::logging::{self, DroppedLines, Writer, TARGET};
use crate::pressure::PressureMonitor;
use crate::process;
use crate::sandbox::Sandbox;
use crate::settings::Gateway;
use crate::startup::Sources;
use crate::systemd;

/// Time for an aborted start to end.
const GIVE_UP: Duration = Duration::from_millis(250);

/// The parts of a started service.
pub(super) struct StartedService {
    pub(super) listeners: Listeners,
    pub(super) starter: ListenerStarter,
    pub(super) gateway: Gateway,
    pub(super) in_force: Arc<ActiveConfig>,
    pub(super) admin: Option<BoundAdmin>,
    pub(super) watch: ConfigWatch,
    pub(super) dropped: DroppedLines,
    pub(super) sandbox: Sandbox,
    pub(super) pressure: PressureMonitor,
}

/// Parts that must end in order, even after an incomplete start.
#[derive(Default)]
pub(super) struct StartedParts {
    log: Mutex<Option<Writer>>,
    transports: Mutex<Vec<Arc<Transport>>>,
}

impl StartedParts {
    /// Returns the log writer, to be dropped last.
    pub(super) fn take_log(&self) -> Option<Writer> {
        lock(&self.log).take()
    }

    /// Shuts a Tor client down and removes its files and locks.
    ///
    /// After a clean drain this has no effect.
    pub(super) async fn end_tor(&self) {
        let transports = std::mem::take(&mut *lock(&self.transports));
        for transport in transports.iter().filter(|t| t.tor_progress().is_some()) {
            transport.shutdown(Duration::ZERO).await;
        }
    }
}

fn lock<T>(slot: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts while signals are answered; `None` after a signal to stop.
pub(super) async fn start(
    sources: &Sources,
    prepared: Prepared,
    workers: &WorkerThreads,
    begun: &Arc<StartedParts>,
    signals: &mut Signals,
) -> Result<Option<StartedService>, ExitFailure> {
    let (give_up, given_up) = oneshot::channel::<()>();
    let (handle, begun) = (Handle::current(), Arc::clone(begun));
    let sources = sources.clone();
    let bind = workers.admin.binds();
    let loops = workers.data.count();
    let starting = workers.load.run(move || {
        handle.block_on(async {
            tokio::select! {
                started = steps(&sources, prepared, &bind, loops, &begun) => started.map(Some),
                _ = given_up => Ok(None),
            }
        })
    });
    tokio::pin!(starting);
    let name = tokio::select! {
        started = &mut starting => {
            return started.map_err(|error| ExitFailure::runtime("the start failed", &error))?;
        }
        name = signals.stop() => name,
    };
    tracing::info!(target: TARGET, event = "signal", signal = name, "stopped during the start");
    drop(give_up);
    // A start that is blocked on a file ends with the process.
    let _ = timeout(GIVE_UP, starting).await;
    Ok(None)
}

async fn steps(
    sources: &Sources,
    prepared: Prepared,
    bind: &AdminBinder,
    loops: NonZeroUsize,
    begun: &StartedParts,
) -> Result<StartedService, ExitFailure> {
    let Prepared {
        watch,
        effective,
        sandbox,
    } = prepared;
    let process = &effective.gateway.settings().process;
    let log = logging::start(process.log_format, process.log_level)
        .map_err(|error| ExitFailure::runtime("cannot start the log thread", &error))?;
    let dropped = log.dropped();
    *lock(&begun.log) = Some(log);
    for warning in effective.warnings() {
        tracing::warn!(target: TARGET, event = "config", "{warning}");
    }
    let plans = effective.plans();
    if plans.iter().any(|plan| plan.config.limits.amnesia()) {
        process::no_core_dumps()
            .map_err(|error| ExitFailure::runtime("cannot disable core dumps", &error))?;
    }
    let in_force = Arc::new(ActiveConfig::new(&effective));
    let pressure = PressureMonitor::start(process.memory_pressure)?;
    let prometheus = Prometheus::new()
        .map_err(|error| ExitFailure::runtime("cannot create the metrics exporter", &error))?;
    #[cfg(not(feature = "tls"))]
    let _ = sources;
    let starter = ListenerStarter {
        prometheus,
        shared: shared_limiter(&effective)?,
        #[cfg(feature = "tls")]
        dev_tls: sources.dev_tls,
        loops,
    };
    let mut transports = Vec::new();
    for plan in &plans {
        let transport = Arc::new(starter.build(plan)?);
        lock(&begun.transports).push(Arc::clone(&transport));
        transports.push(transport);
    }
    let admin = match &process.admin_addr {
        Some(addr) => Some(bind.to(addr).await?),
        None => None,
    };
    let mut running = Vec::new();
    let sockets = systemd::inherited(&plans)?;
    for ((plan, transport), sockets) in plans.into_iter().zip(transports).zip(sockets) {
        let listener = starter.listen(transport, plan, sockets).await?;
        running.push(Arc::new(listener));
    }
    for one in &running {
        for plan in running.iter().map(|other| other.plan()) {
            conflicts::check_listening(&plan, &one.addrs())?;
        }
    }
    sandbox.filter_calls()?;
    Ok(StartedService {
        listeners: Listeners::new(running, starter.shared.clone()),
        starter,
        gateway: effective.gateway.into_settings(),
        in_force,
        admin,
        watch,
        dropped,
        sandbox,
        pressure,
    })
}

/// Returns the limiter with the ceilings of named listeners.
fn shared_limiter(effective: &EffectiveConfig) -> Result<Option<Limiter>, ExitFailure> {
    if effective.listeners.is_empty() {
        return Ok(None);
    }
    let limits = effective.transport.settings().limits.clone();
    let limiter = Limiter::builder().limits(limits).build();
    let limiter =
        limiter.map_err(|error| ExitFailure::Config(format!("configuration: {error}")))?;
    Ok(Some(limiter))
}
