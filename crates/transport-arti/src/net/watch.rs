//! Watches one client: collects evidence, probes, publishes readiness, serves the onion service.

#[cfg(test)]
mod tests;

use std::future::Future;
use std::pin::{pin, Pin};
use std::sync::Arc;
use std::time::Duration;

use arti_client::status::BootstrapStatus;
use arti_client::TorClient;
use futures_util::future::{pending, FutureExt, OptionFuture};
use futures_util::stream::{BoxStream, Stream, StreamExt};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep_until, timeout, Instant};
use tokio_util::sync::CancellationToken;
use tor_hsservice::status::OnionServiceStatus;
use transport_core::{Observer, ReadyState, Reason, Reloadable};

use super::bootstrap::bootstrap;
use super::probe::probe;
use super::proof::{prove, ProbeResult};
use super::serve::queue_arrivals;
use crate::client::{ArtiRuntime, PathNeeds, TorClientSlot, TorInstance};
use crate::events::TARGET;
use crate::health::{Evidence, Health};
use crate::onion::OnionServiceSetup;
use crate::raw::Arrival;
use crate::ArtiConfig;

/// Deadline of a probe. It uses a one-relay circuit, which takes a second on a slow line.
const PROBE_TIMEOUT: Duration = Duration::from_secs(6);
/// Deadline of a proof. It builds up to three circuits of three or more relays, in sequence.
const PROOF_TIMEOUT: Duration = Duration::from_secs(10);
/// Shortest sleep while a probe is running.
const MIN_SLEEP: Duration = Duration::from_millis(250);
/// Longest sleep.
const MAX_SLEEP: Duration = Duration::from_secs(3600);

/// The reason why the watch of a client ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WatchEnd {
    Stop,
    Replace,
    /// Replace the client by one with another guard.
    ReplaceGuard {
        /// The current guard's Ed25519 identity, in base64.
        guard: String,
    },
}

/// Watches one client after the other; outlives each of them.
pub(super) struct ClientWatch {
    pub(super) live: Reloadable<ArtiConfig>,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) stop: CancellationToken,
    pub(super) slot: Arc<TorClientSlot>,
    pub(super) readiness: watch::Sender<ReadyState>,
    pub(super) on_readiness: OnReadiness,
    pub(super) backlog: mpsc::Sender<Arrival>,
    pub(super) health: Health,
}

/// A callback for each readiness state.
pub(crate) type OnReadiness = Box<dyn Fn(ReadyState) + Send>;

type RunningProbe = Pin<Box<dyn Future<Output = ProbeResult> + Send>>;

/// The bootstrap state of one client.
#[derive(Default)]
struct BootstrapProgress {
    /// The bootstrap has returned, and the onion service, if enabled, was launched.
    done: bool,
    usable: bool,
    fraction: f32,
}

impl ClientWatch {
    /// Watches a client until it is to be stopped or replaced.
    pub(super) async fn watch(
        &mut self,
        instance: &Arc<TorInstance>,
        mut evidence: mpsc::Receiver<Evidence>,
        onion: Option<&Arc<OnionServiceSetup>>,
    ) -> WatchEnd {
        let Some(tor) = instance.tor() else {
            return WatchEnd::Replace;
        };
        let mut progress = BootstrapProgress::default();
        self.slot.set_progress(0.0);
        self.observer.arti_progress(0.0);
        let mut status = tor.bootstrap_events();
        // Never dropped early: after that, Arti reports a bootstrap as complete that is not.
        let mut bootstrap = pin!(instance
            .run(bootstrap(Arc::clone(&tor), onion.cloned()))
            .fuse());
        let mut service: Option<BoxStream<'static, OnionServiceStatus>> = None;
        let mut serving = None;
        let mut running: Option<RunningProbe> = None;
        let mut needs = self.slot.needs();
        let stop = self.stop.clone();
        loop {
            let now = Instant::now();
            let next_due = self.update(instance, now);
            if self.health.replace_at().is_some_and(|at| at <= now) {
                return WatchEnd::Replace;
            }
            if running.is_none() && self.health.probe_at().is_some_and(|at| at <= now) {
                self.health.probing(now);
                running = Some(self.start_probe(instance, &tor, &mut needs, onion.is_some()));
            }
            // With a probe running, the next due event may be that probe's start.
            let due = sleep_until(if running.is_some() {
                next_due.max(now + MIN_SLEEP)
            } else {
                next_due
            });
            tokio::select! {
                biased;
                () = stop.cancelled() => return WatchEnd::Stop,
                launched = &mut bootstrap => match launched {
                    Some(launched) => {
                        progress.done = true;
                        if let (Some(launched), Some(onion)) = (launched, onion) {
                            service = Some(launched.service.status_events().boxed());
                            serving = Some(queue_arrivals(
                                launched,
                                instance,
                                onion.ports(),
                                self.backlog.clone(),
                                Arc::clone(&self.observer),
                            ));
                        }
                        self.record_status(&tor, &tor.bootstrap_status(), &mut progress);
                    }
                    None => return WatchEnd::Replace,
                },
                Some(now) = status.next() => self.record_status(&tor, &now, &mut progress),
                Some(seen) = evidence.recv() => self.health.record(seen, Instant::now()),
                Ok(()) = needs.changed() => {
                    // A running proof does not cover the new target.
                    running = None;
                    self.health.record(Evidence::Announced, Instant::now());
                }
                Some(result) = OptionFuture::from(running.as_mut()) => {
                    running = None;
                    let now = Instant::now();
                    let seen = match &result {
                        ProbeResult::Carried => Evidence::Carried,
                        ProbeResult::Failed => Evidence::ProbeFailed,
                        ProbeResult::NoPath | ProbeResult::GuardBlocksExits { .. } => {
                            Evidence::Disproven
                        }
                    };
                    // The pause between two probes begins at the end of the first.
                    self.health.probing(now);
                    self.health.record(seen, now);
                    if let ProbeResult::GuardBlocksExits { guard } = result {
                        self.update(instance, now);
                        return WatchEnd::ReplaceGuard { guard };
                    }
                }
                Some(status) = next_or_pending(&mut service) => {
                    if status.current_problem().is_some() {
                        self.health.record(Evidence::Doubt, Instant::now());
                    }
                }
                () = due => {}
            }
            // Kept but not polled: the task runs by itself and is aborted on drop.
            let _: &Option<_> = &serving;
        }
    }

    /// Starts the probe or the proof that is due.
    fn start_probe(
        &self,
        instance: &TorInstance,
        tor: &Arc<TorClient<ArtiRuntime>>,
        needs: &mut watch::Receiver<PathNeeds>,
        serving: bool,
    ) -> RunningProbe {
        let tor = Arc::clone(tor);
        if self.health.wants_proof() {
            // Only a proof covers the announced targets, so only a proof marks them as seen.
            let needs = needs.borrow_and_update().clone();
            run_probe(instance, PROOF_TIMEOUT, prove(tor, needs, serving))
        } else {
            run_probe(instance, PROBE_TIMEOUT, probe(tor))
        }
    }

    /// Applies the elapsed time and publishes changes; returns the next due time.
    fn update(&mut self, instance: &Arc<TorInstance>, now: Instant) -> Instant {
        if instance.take_received() {
            self.health.record(Evidence::Read, now);
        }
        let ready = self.health.state() == ReadyState::Ready;
        // The slot is filled before `Ready` is published, so that a dial at that moment finds the
        // client, and emptied after the end of `Ready`.
        if ready {
            self.slot.set(Some(instance));
        }
        let limit = self.publish(now);
        if !ready {
            self.slot.set(None);
        }
        self.health.next_due(limit).unwrap_or(now + MAX_SLEEP)
    }

    /// Applies the elapsed time and publishes readiness; returns `arti.bootstrap_timeout`.
    pub(super) fn publish(&mut self, now: Instant) -> Duration {
        let limit = self.live.get().bootstrap_timeout();
        if self.health.late(limit, now) {
            self.observer.rejected(Reason::ArtiBootstrap);
        }
        let state = self.health.state();
        let changed = self.readiness.send_if_modified(|published| {
            let changed = *published != state;
            *published = state;
            changed
        });
        if changed {
            (self.on_readiness)(state);
        }
        limit
    }

    /// Records Arti's bootstrap status as evidence.
    fn record_status(
        &mut self,
        tor: &TorClient<ArtiRuntime>,
        status: &BootstrapStatus,
        progress: &mut BootstrapProgress,
    ) {
        let (now, fraction) = (Instant::now(), status.as_frac());
        if (fraction - progress.fraction).abs() > f32::EPSILON {
            progress.fraction = fraction;
            self.health.record(Evidence::Progress, now);
            self.slot.set_progress(fraction);
            self.observer.arti_progress(f64::from(fraction));
            tracing::debug!(
                target: TARGET,
                event = "bootstrap",
                progress = %format_args!("{fraction:.2}"),
            );
        }
        if in_contact(tor) {
            self.health.record(Evidence::Contact, now);
        }
        let usable = progress.done && status.ready_for_traffic();
        // Recorded once: Arti repeats this status through an outage.
        if usable && !progress.usable {
            self.health.record(Evidence::Usable, now);
        }
        progress.usable |= usable;
    }
}

/// Runs a probe or a proof on the instance, with a deadline.
fn run_probe(
    instance: &TorInstance,
    limit: Duration,
    probe: impl Future<Output = ProbeResult> + Send + 'static,
) -> RunningProbe {
    let running = instance.run(timeout(limit, probe));
    Box::pin(async move {
        match running.await {
            Some(Ok(result)) => result,
            _ => ProbeResult::Failed,
        }
    })
}

/// Returns whether Arti reports a working connection to a relay.
fn in_contact(tor: &TorClient<ArtiRuntime>) -> bool {
    let status = tor
        .chanmgr()
        .ok()
        .map(|channels| channels.bootstrap_events());
    let now = status.and_then(|mut status| status.next().now_or_never().flatten());
    now.is_some_and(|status| status.usable())
}

async fn next_or_pending<S: Stream + Unpin>(stream: &mut Option<S>) -> Option<S::Item> {
    match stream {
        Some(stream) => stream.next().await,
        None => pending().await,
    }
}
