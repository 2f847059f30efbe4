//! The Tor thread, which runs one client after the other.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{sleep, Instant};
use tokio_util::sync::CancellationToken;
use transport_core::{Observer, ReadyState, Reloadable, TransportError};

use super::bootstrap::LogFirstFailure;
use super::guards;
use super::watch::{ClientWatch, OnReadiness, WatchEnd};
use crate::client::{StartedInstance, TorClientSlot, TorInstance};
use crate::events::TARGET;
use crate::health::Health;
use crate::onion::OnionServiceSetup;
use crate::raw::Arrival;
use crate::settings::{self, TorSettings};
use crate::{provider, ArtiConfig};

/// Onion service clients that wait for an accept. When the backlog is full, Arti queues further ones.
const BACKLOG: usize = 128;
/// Time limit for the end of a client's threads.
///
/// They usually end within a millisecond; a thread that reads a file takes longer and then ends in
/// the background.
const GRACE: Duration = Duration::from_millis(500);
/// Pause between two attempts to start a client.
const START_PAUSE: Duration = Duration::from_secs(1);

/// The caller's ends of the thread's channels.
pub(super) struct TorThread {
    /// The `.onion` name, if any, after the first client was created.
    pub(super) ready: oneshot::Receiver<Result<Option<String>, TransportError>>,
    pub(super) slot: Arc<TorClientSlot>,
    pub(super) readiness: watch::Receiver<ReadyState>,
    pub(super) arrivals: mpsc::Receiver<Arrival>,
    /// Cancelled when the thread ends.
    pub(super) ended: CancellationToken,
}

/// Starts the thread.
///
/// # Errors
/// [`TransportError::Io`] if the system refuses a thread or a runtime.
pub(super) fn start(
    live: Reloadable<ArtiConfig>,
    amnesia: bool,
    observer: Arc<dyn Observer>,
    on_readiness: OnReadiness,
    stop: CancellationToken,
) -> Result<TorThread, TransportError> {
    provider::install();
    let control = Builder::new_current_thread().enable_time().build()?;
    let health = Health::new(Instant::now());
    let (report, ready) = oneshot::channel();
    let ended = CancellationToken::new();
    let ended_on_drop = ended.clone().drop_guard();
    let (readiness, watched) = watch::channel(health.state());
    let (backlog, arrivals) = mpsc::channel(BACKLOG);
    let slot = Arc::new(TorClientSlot::new());
    let watch = ClientWatch {
        live: live.clone(),
        observer,
        stop,
        slot: Arc::clone(&slot),
        readiness,
        on_readiness,
        backlog,
        health,
    };
    (watch.on_readiness)(watch.health.state());
    let slot_guard = EndSlotOnDrop(Arc::clone(&slot));
    let body = move || {
        let slot_guard = slot_guard;
        match prepare(&live, amnesia) {
            Ok((settings, onion, first)) => {
                let address = onion.as_ref().map(|onion| onion.address().to_owned());
                // Fails only if the caller was dropped, which has cancelled `stop` as well.
                let _ = report.send(Ok(address));
                run(
                    watch,
                    &control,
                    &settings,
                    onion.map(Arc::new).as_ref(),
                    first,
                );
                // Removes the directory in memory before `ended` is cancelled.
                drop(settings);
            }
            Err(error) => {
                let _ = report.send(Err(error));
            }
        }
        drop(slot_guard);
        drop(ended_on_drop);
    };
    // The log fields of the transport that starts the client.
    let span = tracing::Span::current();
    std::thread::Builder::new()
        .name("ron-arti".to_owned())
        .spawn(move || span.in_scope(body))?;
    Ok(TorThread {
        ready,
        slot,
        readiness: watched,
        arrivals,
        ended,
    })
}

/// Ends the slot when the thread ends, including by a panic.
struct EndSlotOnDrop(Arc<TorClientSlot>);

impl Drop for EndSlotOnDrop {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Reads the settings and keys, and creates the first client.
fn prepare(
    live: &Reloadable<ArtiConfig>,
    amnesia: bool,
) -> Result<(TorSettings, Option<OnionServiceSetup>, StartedInstance), TransportError> {
    let config = live.get();
    let settings = settings::load(&config, amnesia)?;
    let onion = config.onion_service();
    let onion = onion
        .enabled()
        .then(|| OnionServiceSetup::load(onion, &settings.client))
        .transpose()?;
    let first = TorInstance::start(&settings.client)?;
    Ok((settings, onion, first))
}

/// Watches one client after the other until the stop.
fn run(
    mut watch: ClientWatch,
    control: &Runtime,
    settings: &TorSettings,
    onion: Option<&Arc<OnionServiceSetup>>,
    first: StartedInstance,
) {
    let mut next = Some(first);
    while let Some(started) = next {
        let StartedInstance {
            instance,
            evidence,
            runtime,
        } = started;
        let end = control.block_on(watch.watch(&instance, evidence, onion));
        watch.slot.set(None);
        instance.end(runtime, GRACE);
        next = match end {
            WatchEnd::Stop => None,
            WatchEnd::Replace => start_again(&mut watch, control, settings),
            WatchEnd::ReplaceGuard { guard } => {
                tracing::warn!(
                    target: TARGET,
                    event = "bootstrap",
                    "every exit is the guard or in its family; choosing another guard",
                );
                forget_guard(&guard, settings, &watch, control);
                start_again(&mut watch, control, settings)
            }
        };
        watch.health.replaced(Instant::now());
    }
}

/// Removes a guard from Arti's state; the next client prefers others.
///
/// A guard that is not stored needs no removal: the next client selects a new one at random.
fn forget_guard(guard: &str, settings: &TorSettings, watch: &ClientWatch, control: &Runtime) {
    if let Err(error) = guards::forget(&settings.state_dir, guard) {
        tracing::warn!(
            target: TARGET,
            event = "bootstrap",
            error = %error,
            "cannot remove the guard from arti.state_dir",
        );
        pause(watch, control);
    }
}

/// Starts another client, with retries; `None` after the stop.
fn start_again(
    watch: &mut ClientWatch,
    control: &Runtime,
    settings: &TorSettings,
) -> Option<StartedInstance> {
    let mut failures = LogFirstFailure::default();
    loop {
        match TorInstance::start(&settings.client) {
            Ok(started) => return Some(started),
            Err(error) => failures.record(&error, "cannot restart Tor; retrying every second"),
        }
        watch.publish(Instant::now());
        if !pause(watch, control) {
            return None;
        }
    }
}

/// Sleeps for [`START_PAUSE`]; returns false if it was stopped meanwhile.
fn pause(watch: &ClientWatch, control: &Runtime) -> bool {
    control.block_on(async {
        tokio::select! {
            () = watch.stop.cancelled() => false,
            () = sleep(START_PAUSE) => true,
        }
    })
}
