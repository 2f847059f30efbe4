//! The thread that runs Tor: one client after the other, until it is told to stop.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{sleep, Instant};
use tokio_util::sync::CancellationToken;
use transport_core::{Observer, ReadyState, Reloadable, TransportError};

use super::client::{Client, Started};
use super::guards;
use super::watch::{End, Told, Watch};
use super::Shared;
use crate::health::Health;
use crate::onion::Onion;
use crate::raw::ArtiPending;
use crate::settings::{self, Settings};
use crate::{provider, ArtiConfig};

/// Clients of the onion service that wait to be accepted; beyond these Arti holds them back.
const BACKLOG: usize = 128;
/// How long the threads of a client may take to end. They end in a millisecond; one that reads a
/// file may take longer, and then ends by itself.
const GRACE: Duration = Duration::from_millis(500);
/// Pause before a client that could not be started is tried again.
const START_PAUSE: Duration = Duration::from_secs(1);

/// What the starter holds of the thread.
pub(super) struct Handles {
    /// The `.onion` name, once the first client is there.
    pub(super) ready: oneshot::Receiver<Result<Option<String>, TransportError>>,
    pub(super) shared: Arc<Shared>,
    pub(super) readiness: watch::Receiver<ReadyState>,
    pub(super) arrivals: mpsc::Receiver<ArtiPending>,
    /// Cancelled when the thread ends.
    pub(super) ended: CancellationToken,
}

/// Starts the thread.
///
/// # Errors
/// [`TransportError::Io`], where the system gives no thread.
pub(super) fn start(
    live: Reloadable<ArtiConfig>,
    amnesia: bool,
    observer: Arc<dyn Observer>,
    told: Told,
    stop: CancellationToken,
) -> Result<Handles, TransportError> {
    provider::install();
    let control = Builder::new_current_thread().enable_time().build()?;
    let health = Health::new(Instant::now());
    let (report, ready) = oneshot::channel();
    let ended = CancellationToken::new();
    let finished = ended.clone().drop_guard();
    let (readiness, watched) = watch::channel(health.state());
    let (backlog, arrivals) = mpsc::channel(BACKLOG);
    let shared = Arc::new(Shared::new());
    let watch = Watch {
        live: live.clone(),
        observer,
        stop,
        shared: Arc::clone(&shared),
        readiness,
        told,
        backlog,
        health,
    };
    (watch.told)(watch.health.state());
    let ended_for_all = EndOnDrop(Arc::clone(&shared));
    let body = move || {
        let ended_for_all = ended_for_all;
        match prepare(&live, amnesia) {
            Ok((settings, onion, first)) => {
                let address = onion.as_ref().map(|onion| onion.address().to_owned());
                // Nobody waits for it: then it has been told to stop as well.
                let _ = report.send(Ok(address));
                run(
                    watch,
                    &control,
                    &settings,
                    onion.map(Arc::new).as_ref(),
                    first,
                );
                // The directory in memory goes before the end is told.
                drop(settings);
            }
            Err(error) => {
                let _ = report.send(Err(error));
            }
        }
        drop(ended_for_all);
        drop(finished);
    };
    std::thread::Builder::new()
        .name("ron-arti".to_owned())
        .spawn(body)?;
    Ok(Handles {
        ready,
        shared,
        readiness: watched,
        arrivals,
        ended,
    })
}

/// Tells whoever dials that there is no client any more, however the thread ends.
struct EndOnDrop(Arc<Shared>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.end();
    }
}

fn prepare(
    live: &Reloadable<ArtiConfig>,
    amnesia: bool,
) -> Result<(Settings, Option<Onion>, Started), TransportError> {
    let config = live.get();
    let settings = settings::load(&config, amnesia)?;
    let onion = config.onion_service();
    let onion = onion
        .enabled()
        .then(|| Onion::set_up(onion, &settings.client))
        .transpose()?;
    let first = Client::start(&settings.client)?;
    Ok((settings, onion, first))
}

fn run(
    mut watch: Watch,
    control: &Runtime,
    settings: &Settings,
    onion: Option<&Arc<Onion>>,
    first: Started,
) {
    let mut next = Some(first);
    while let Some(started) = next {
        let Started {
            client,
            evidence,
            runtime,
        } = started;
        let end = control.block_on(watch.over(&client, evidence, onion));
        watch.shared.set(None);
        client.end(runtime, GRACE);
        next = match end {
            End::Stop => None,
            End::Replace => another(&mut watch, control, settings),
            End::ReplaceGuard(guard) => {
                tracing::warn!(
                    target: crate::net::TARGET,
                    event = "bootstrap",
                    "every exit is the guard or of its family; another guard is chosen",
                );
                forget(&guard, settings, &watch, control);
                another(&mut watch, control, settings)
            }
        };
        watch.health.replaced(Instant::now());
    }
}

/// Takes a guard out of Arti's choice, so that the next client takes others before it.
fn forget(guard: &str, settings: &Settings, watch: &Watch, control: &Runtime) {
    // One that is not stored yet is drawn anew by the next client.
    if let Err(error) = guards::forget(&settings.state_dir, guard) {
        tracing::warn!(
            target: crate::net::TARGET,
            event = "bootstrap",
            error = %error,
            "the guard cannot be taken out of arti.state_dir",
        );
        paused(watch, control);
    }
}

/// Starts another client, however long it takes; `None` once there shall be none.
fn another(watch: &mut Watch, control: &Runtime, settings: &Settings) -> Option<Started> {
    let mut told = false;
    loop {
        match Client::start(&settings.client) {
            Ok(started) => return Some(started),
            Err(error) if !told => {
                told = true;
                tracing::warn!(
                    target: crate::net::TARGET,
                    event = "bootstrap",
                    error = %error,
                    "tor could not be started again, and is tried until it can",
                );
            }
            Err(_) => {}
        }
        watch.tell(Instant::now());
        if !paused(watch, control) {
            return None;
        }
    }
}

/// Waits a while. False: there shall be no other client.
fn paused(watch: &Watch, control: &Runtime) -> bool {
    control.block_on(async {
        tokio::select! {
            () = watch.stop.cancelled() => false,
            () = sleep(START_PAUSE) => true,
        }
    })
}
