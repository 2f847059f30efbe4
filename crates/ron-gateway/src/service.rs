//! The running service: the transport with its handlers, the admin endpoint beside it, and the
//! order in which they begin and end.

mod handlers;
mod reload;
pub(crate) mod signals;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use ron_transport::config::Loaded;
use ron_transport::metrics::Prometheus;
use ron_transport::{Endpoint, ReloadError, Transport, TransportError};
use tokio::task::JoinSet;

use crate::admin::{Admin, InForce, Live, Since, State};
#[cfg(feature = "tls")]
use crate::dev_tls;
use crate::exit::Failure;
use crate::logging::{self, TARGET};
use crate::process;
use crate::progress;
use crate::settings::Gateway;
use crate::startup::{Effective, Sources};
use crate::systemd;

use reload::Reloads;
use signals::{Signals, Told};
use watch::Watch;

/// How often recorded samples move into their buckets while nobody scrapes.
const UPKEEP: Duration = Duration::from_secs(5);

/// Runs the service until it is told to stop.
pub(crate) fn run(sources: &Sources) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::runtime("cannot start", &error))?;
    // First of all, so that no signal finds the process unprepared.
    let signals = {
        let _inside = runtime.enter();
        Signals::new().map_err(|error| Failure::runtime("cannot watch signals", &error))?
    };
    // Before they are loaded: what changes from here on is seen.
    let watch = Watch::new(&sources.files);
    let effective = sources.load_to_listen()?;
    let gateway = effective.gateway.settings();
    let log = logging::start(gateway.log_format, gateway.log_level)
        .map_err(|error| Failure::runtime("cannot start the log", &error))?;
    for warning in effective.warnings() {
        tracing::warn!(target: TARGET, event = "config", "{warning}");
    }
    if effective.transport.settings().limits.amnesia() {
        process::no_core_dumps()
            .map_err(|error| Failure::runtime("cannot forbid core dumps", &error))?;
    }
    let outcome = runtime.block_on(serve(sources, effective, watch, signals));
    // A name that is still being resolved is not waited for.
    runtime.shutdown_background();
    drop(log);
    outcome
}

async fn serve(
    sources: &Sources,
    effective: Effective,
    watch: Watch,
    signals: Signals,
) -> Result<(), Failure> {
    let in_force = Arc::new(InForce::new(&effective));
    let Effective { transport, gateway } = effective;
    let gateway = gateway.into_settings();
    let prometheus =
        Prometheus::new().map_err(|error| Failure::runtime("cannot set up metrics", &error))?;
    let transport = Arc::new(build(sources, transport, &prometheus)?);
    let outcome = run_on(
        &transport, gateway, &in_force, prometheus, sources, watch, signals,
    )
    .await;
    if outcome.is_err() && transport.tor_progress().is_some() {
        // What Tor has in memory or locked goes too; after a clean drain it has gone.
        transport.shutdown(Duration::ZERO).await;
    }
    outcome
}

async fn run_on(
    transport: &Arc<Transport>,
    gateway: Gateway,
    in_force: &Arc<InForce>,
    prometheus: Prometheus,
    sources: &Sources,
    mut watch: Watch,
    mut signals: Signals,
) -> Result<(), Failure> {
    let admin = match gateway.admin_addr {
        Some(addr) => Some(Admin::bind(addr).await?),
        None => None,
    };
    if let Some(to) = &gateway.forward_to {
        transport.prepare_for(to).await.map_err(start_failure)?;
    }
    let inherited = systemd::inherited()?;
    let is_inherited = inherited.is_some();
    let listen = match inherited {
        Some(socket) => transport.adopt(socket).await.map_err(|error| match error {
            TransportError::Tls { .. } => start_failure(error),
            error => systemd::unusable(error),
        })?,
        None => transport.listen().await.map_err(start_failure)?,
    };
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
    beside.spawn(systemd::watchdog());
    let manager = systemd::Manager::default();
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
            live: Live::new(transport, in_force),
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
    let mut reloads = Reloads::new(sources, transport, &gateway, in_force);
    let name = loop {
        tokio::select! {
            ended = &mut serving => return ended.map_err(Failure::from),
            told = signals.next() => match told {
                Told::Stop(name) => break name,
                Told::Reload => {
                    manager.reloading();
                    reloads.begin(&watch);
                }
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

fn build(
    sources: &Sources,
    config: Loaded<ron_transport::Config>,
    prometheus: &Prometheus,
) -> Result<Transport, Failure> {
    #[cfg(feature = "tls")]
    let dev_tls = sources.dev_tls.then(|| dev_tls::make(config.settings()));
    #[cfg(not(feature = "tls"))]
    let _ = sources;
    let mut builder = Transport::builder()
        .config(config.into_settings())
        .recorder(prometheus.recorder());
    if let Some(limit) = process::conn_fd_limit() {
        builder = builder.fd_limit(limit);
    }
    #[cfg(feature = "tls")]
    if let Some(tls) = dev_tls {
        builder = builder.server_tls(tls?);
    }
    Ok(builder.build()?)
}

/// A certificate, a key or a trust store that cannot be used is a matter of configuration.
fn start_failure(error: TransportError) -> Failure {
    match error {
        TransportError::Tls { .. } => Failure::Config(error.to_string()),
        error => error.into(),
    }
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
            },
        }
    }
}

/// None of these ends by itself.
fn beside_ended(ended: Result<(), tokio::task::JoinError>) -> Failure {
    match ended {
        Ok(()) => Failure::Runtime("the admin endpoint ended".to_owned()),
        Err(error) => Failure::runtime("the admin endpoint failed", &error),
    }
}
