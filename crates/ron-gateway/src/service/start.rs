//! The start, from a loaded configuration to a listening transport.
//!
//! It may block on files for as long as the file system takes, so it runs on another thread than
//! the signals.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ron_transport::config::Loaded;
use ron_transport::metrics::Prometheus;
use ron_transport::{Config, ListenAddr, Transport, TransportError};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::config_watch::ConfigWatch;
use super::prepare::{Prepared, WorkerThreads};
use super::signals::Signals;
use crate::admin::{ActiveConfig, AdminBinder, BoundAdmin};
use crate::conflicts;
#[cfg(feature = "tls")]
use crate::dev_tls;
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
    pub(super) transport: Arc<Transport>,
    pub(super) gateway: Gateway,
    pub(super) in_force: Arc<ActiveConfig>,
    pub(super) prometheus: Prometheus,
    pub(super) admin: Option<BoundAdmin>,
    pub(super) listen: ListenAddr,
    pub(super) is_inherited: bool,
    pub(super) watch: ConfigWatch,
    pub(super) dropped: DroppedLines,
    pub(super) sandbox: Sandbox,
    pub(super) pressure: PressureMonitor,
}

/// Parts that must end in order, even after an incomplete start.
#[derive(Default)]
pub(super) struct StartedParts {
    log: Mutex<Option<Writer>>,
    transport: Mutex<Option<Arc<Transport>>>,
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
        let transport = lock(&self.transport).take();
        if let Some(transport) = transport.filter(|t| t.tor_progress().is_some()) {
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
    let starting = workers.load.run(move || {
        handle.block_on(async {
            tokio::select! {
                started = steps(&sources, prepared, &bind, &begun) => started.map(Some),
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
    begun: &StartedParts,
) -> Result<StartedService, ExitFailure> {
    let Prepared {
        watch,
        effective,
        sandbox,
    } = prepared;
    let gateway = effective.gateway.settings();
    let log = logging::start(gateway.log_format, gateway.log_level)
        .map_err(|error| ExitFailure::runtime("cannot start the log thread", &error))?;
    let dropped = log.dropped();
    *lock(&begun.log) = Some(log);
    for warning in effective.warnings() {
        tracing::warn!(target: TARGET, event = "config", "{warning}");
    }
    if effective.transport.settings().limits.amnesia() {
        process::no_core_dumps()
            .map_err(|error| ExitFailure::runtime("cannot disable core dumps", &error))?;
    }
    let config = effective.transport.settings().clone();
    let in_force = Arc::new(ActiveConfig::new(&effective));
    let gateway = effective.gateway.into_settings();
    let pressure = PressureMonitor::start(gateway.memory_pressure)?;
    let prometheus = Prometheus::new()
        .map_err(|error| ExitFailure::runtime("cannot create the metrics exporter", &error))?;
    let transport = Arc::new(build(sources, effective.transport, &prometheus)?);
    *lock(&begun.transport) = Some(Arc::clone(&transport));
    let admin = match &gateway.admin_addr {
        Some(addr) => Some(bind.to(addr).await?),
        None => None,
    };
    for to in &gateway.forward_to {
        transport.prepare_for(to).await.map_err(failure)?;
    }
    let inherited = systemd::inherited()?;
    let is_inherited = inherited.is_some();
    let listen = match inherited {
        Some(socket) => transport
            .listen_on(socket)
            .await
            .map_err(|error| match error {
                TransportError::Tls { .. } => failure(error),
                error => systemd::unusable(error),
            })?,
        None => transport.listen().await.map_err(failure)?,
    };
    conflicts::check_listening(&gateway, &listen)?;
    warn_uncapped(&config, &listen);
    sandbox.filter_calls()?;
    Ok(StartedService {
        transport,
        gateway,
        in_force,
        prometheus,
        admin,
        listen,
        is_inherited,
        watch,
        dropped,
        sandbox,
        pressure,
    })
}

/// Warns of an uncapped address that a service manager chose.
///
/// The configuration warns of configured addresses.
fn warn_uncapped(config: &Config, listen: &ListenAddr) {
    let configured = config.general.bind_addr();
    let is_warned = configured.is_some_and(|addr| config.uncapped(addr).is_some());
    let ListenAddr::Ip(addr) = listen else {
        return;
    };
    if let Some(warning) = config.uncapped(*addr).filter(|_| !is_warned) {
        tracing::warn!(target: TARGET, event = "config", "{warning}");
    }
}

fn build(
    sources: &Sources,
    config: Loaded<Config>,
    prometheus: &Prometheus,
) -> Result<Transport, ExitFailure> {
    #[cfg(feature = "tls")]
    let dev_tls = sources.dev_tls.then(|| dev_tls::make(config.settings()));
    #[cfg(not(feature = "tls"))]
    let _ = sources;
    let mut builder = Transport::builder()
        .config(config.into_settings())
        .recorder(prometheus.recorder());
    if let Some(limit) = process::max_conn_fd() {
        builder = builder.max_fd(limit);
    }
    #[cfg(feature = "tls")]
    if let Some(tls) = dev_tls {
        builder = builder.server_tls(tls?);
    }
    Ok(builder.build()?)
}

/// Maps TLS errors to configuration errors.
///
/// They mean an unusable certificate, key or trust store.
fn failure(error: TransportError) -> ExitFailure {
    match error {
        TransportError::Tls { .. } => ExitFailure::Config(error.to_string()),
        error => error.into(),
    }
}
