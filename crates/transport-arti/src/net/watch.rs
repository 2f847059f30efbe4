//! Watches one client: collects evidence, tells readiness, probes, launches the onion service.

use std::future::Future;
use std::pin::{pin, Pin};
use std::sync::Arc;
use std::time::Duration;

use arti_client::status::BootstrapStatus;
use arti_client::TorClient;
use futures_util::future::{pending, FutureExt, OptionFuture};
use futures_util::stream::{BoxStream, Stream, StreamExt};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, sleep_until, timeout, Instant};
use tokio_util::sync::CancellationToken;
use tor_hsservice::status::OnionServiceStatus;
use transport_core::{Observer, ReadyState, Reason, Reloadable};

use super::probe::probe;
use super::proof::{prove, Answer};
use super::runtime::Runtime;
use super::TARGET;
use super::{Client, Shared};
use crate::health::{Evidence, Health};
use crate::onion::{Launched, Onion};
use crate::raw::ArtiPending;
use crate::ArtiConfig;

/// How long a probe may take. A directory circuit is one relay long: a second on a slow line.
const PROBE_TIMEOUT: Duration = Duration::from_secs(6);
/// How long a proof may take: up to three circuits of three and more relays, one after the other.
const PROOF_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause after a bootstrap that failed, which Arti gives up after more than a hundred attempts.
const BOOTSTRAP_PAUSE: Duration = Duration::from_secs(1);
/// Shortest sleep while a probe is under way.
const TICK: Duration = Duration::from_millis(250);
/// Longest sleep, where nothing is due.
const LONG: Duration = Duration::from_secs(3600);

/// Why a client is watched no longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    Stop,
    Replace,
    /// By one with another guard than this, in base64.
    ReplaceGuard(String),
}

/// What outlives a client.
pub(super) struct Watch {
    pub(super) live: Reloadable<ArtiConfig>,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) stop: CancellationToken,
    pub(super) shared: Arc<Shared>,
    pub(super) readiness: watch::Sender<ReadyState>,
    pub(super) told: Told,
    pub(super) backlog: mpsc::Sender<ArtiPending>,
    pub(super) health: Health,
}

/// Is told each state.
pub(crate) type Told = Box<dyn Fn(ReadyState) + Send>;

type Probe = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// What is known of the bootstrap of one client.
#[derive(Default)]
struct Progress {
    /// The bootstrap returned, and the onion service, if there is one, was launched.
    done: bool,
    usable: bool,
    fraction: f32,
}

impl Watch {
    /// Watches a client until it is to be stopped or replaced.
    pub(super) async fn over(
        &mut self,
        client: &Arc<Client>,
        mut evidence: mpsc::Receiver<Evidence>,
        onion: Option<&Arc<Onion>>,
    ) -> End {
        let Some(tor) = client.tor() else {
            return End::Replace;
        };
        let mut progress = Progress::default();
        self.shared.set_progress(0.0);
        self.observer.arti_progress(0.0);
        let mut status = tor.bootstrap_events();
        // Kept until the end: a bootstrap that is dropped says afterwards that it is done.
        let mut bootstrap = pin!(client
            .run(bootstrap(Arc::clone(&tor), onion.cloned()))
            .fuse());
        let mut service: Option<BoxStream<'static, OnionServiceStatus>> = None;
        let mut serving = None;
        let mut asked: Option<Probe> = None;
        let mut needs = self.shared.needs();
        let stop = self.stop.clone();
        loop {
            let now = Instant::now();
            let wait = self.step(client, now);
            if self.health.replace_at().is_some_and(|at| at <= now) {
                return End::Replace;
            }
            if asked.is_none() && self.health.probe_at().is_some_and(|at| at <= now) {
                self.health.probing(now);
                asked = Some(if self.health.wants_proof() {
                    let needs = needs.borrow_and_update().clone();
                    start(
                        client,
                        PROOF_TIMEOUT,
                        prove(Arc::clone(&tor), needs, onion.is_some()),
                    )
                } else {
                    start(client, PROBE_TIMEOUT, probe(Arc::clone(&tor)))
                });
            }
            // What is due may be the probe that is under way.
            let due = sleep_until(if asked.is_some() {
                wait.max(now + TICK)
            } else {
                wait
            });
            tokio::select! {
                biased;
                () = stop.cancelled() => return End::Stop,
                launched = &mut bootstrap => match launched {
                    Some(launched) => {
                        progress.done = true;
                        if let (Some(launched), Some(onion)) = (launched, onion) {
                            let (events, pump) = self.serve(client, launched, onion);
                            service = Some(events);
                            serving = Some(pump);
                        }
                        self.judge(&tor, &tor.bootstrap_status(), &mut progress);
                    }
                    None => return End::Replace,
                },
                Some(now) = status.next() => self.judge(&tor, &now, &mut progress),
                Some(seen) = evidence.recv() => self.health.see(seen, Instant::now()),
                Ok(()) = needs.changed() => {
                    // A proof that is under way proves something else.
                    asked = None;
                    self.health.see(Evidence::Announced, Instant::now());
                }
                Some(answer) = OptionFuture::from(asked.as_mut()) => {
                    asked = None;
                    let now = Instant::now();
                    let seen = match &answer {
                        Answer::Carried => Evidence::Carried,
                        Answer::Failed => Evidence::ProbeFailed,
                        Answer::NoPath | Answer::GuardInTheWay(_) => Evidence::Disproven,
                    };
                    // The pause between two probes counts from the end of the first.
                    self.health.probing(now);
                    self.health.see(seen, now);
                    if let Answer::GuardInTheWay(guard) = answer {
                        self.step(client, now);
                        return End::ReplaceGuard(guard);
                    }
                }
                Some(status) = next_of(&mut service) => {
                    if status.current_problem().is_some() {
                        self.health.see(Evidence::Doubt, Instant::now());
                    }
                }
                () = due => {}
            }
            // Held, and never polled: it runs by itself and ends with this.
            let _: &Option<_> = &serving;
        }
    }

    /// Lets time pass and tells what changed; returns when something is due next.
    fn step(&mut self, client: &Arc<Client>, now: Instant) -> Instant {
        if client.take_carried() {
            self.health.see(Evidence::Read, now);
        }
        let limit = self.tell(now);
        let ready = self.health.state() == ReadyState::Ready;
        self.shared.set(ready.then_some(client));
        self.health.next(limit).unwrap_or(now + LONG)
    }

    /// Lets time pass and tells readiness; returns how long a bootstrap may take.
    pub(super) fn tell(&mut self, now: Instant) -> Duration {
        let limit = self.live.get().bootstrap_timeout();
        if self.health.late(limit, now) {
            self.observer.rejected(Reason::ArtiBootstrap);
        }
        let state = self.health.state();
        let changed = self.readiness.send_if_modified(|told| {
            let changed = *told != state;
            *told = state;
            changed
        });
        if changed {
            (self.told)(state);
        }
        limit
    }

    /// Takes Arti's own status for evidence.
    fn judge(
        &mut self,
        tor: &TorClient<Runtime>,
        status: &BootstrapStatus,
        progress: &mut Progress,
    ) {
        let (now, fraction) = (Instant::now(), status.as_frac());
        if (fraction - progress.fraction).abs() > f32::EPSILON {
            progress.fraction = fraction;
            self.health.see(Evidence::Progress, now);
            self.shared.set_progress(fraction);
            self.observer.arti_progress(f64::from(fraction));
            tracing::debug!(
                target: TARGET,
                event = "bootstrap",
                progress = %format_args!("{fraction:.2}"),
            );
        }
        if in_contact(tor) {
            self.health.see(Evidence::Contact, now);
        }
        let usable = progress.done && status.ready_for_traffic();
        // Once: a status that is repeated through an outage says nothing new.
        if usable && !progress.usable {
            self.health.see(Evidence::Usable, now);
        }
        progress.usable |= usable;
    }

    /// Lets the clients of the onion service in line.
    fn serve(
        &self,
        client: &Arc<Client>,
        launched: Launched,
        onion: &Arc<Onion>,
    ) -> (
        BoxStream<'static, OnionServiceStatus>,
        impl Future<Output = Option<()>> + Send,
    ) {
        let Launched {
            service,
            mut requests,
        } = launched;
        let events = service.status_events().boxed();
        let (backlog, ports, on) = (self.backlog.clone(), onion.ports(), Arc::clone(client));
        let observer = Arc::clone(&self.observer);
        let pump = async move {
            // Dropped with this: then the service ends.
            let _service = service;
            loop {
                let next = tokio::select! {
                    next = requests.next() => next,
                    // Nobody accepts any more: then nobody is to come.
                    () = backlog.closed() => None,
                };
                let Some(request) = next else { return };
                let pending = ArtiPending::circuit(request, &on, &ports, &backlog, &observer);
                if backlog.send(pending).await.is_err() {
                    return;
                }
            }
        };
        (events, client.run(pump))
    }
}

/// Bootstraps and launches the onion service, however often that takes: another process may have
/// its state until it ends.
async fn bootstrap(tor: Arc<TorClient<Runtime>>, onion: Option<Arc<Onion>>) -> Option<Launched> {
    while tor.bootstrap().await.is_err() {
        sleep(BOOTSTRAP_PAUSE).await;
    }
    let onion = onion?;
    let mut told = false;
    loop {
        match onion.launch(&tor) {
            Ok(launched) => return Some(launched),
            Err(error) if !told => {
                told = true;
                tracing::warn!(
                    target: TARGET,
                    event = "bootstrap",
                    error = %error,
                    "the onion service cannot be launched, and is tried until it can",
                );
            }
            Err(_) => {}
        }
        sleep(BOOTSTRAP_PAUSE).await;
    }
}

/// Runs a probe or a proof on the client, with a deadline.
fn start(
    client: &Client,
    limit: Duration,
    question: impl Future<Output = Answer> + Send + 'static,
) -> Probe {
    let answered = client.run(timeout(limit, question));
    Box::pin(async move {
        match answered.await {
            Some(Ok(answer)) => answer,
            _ => Answer::Failed,
        }
    })
}

/// Whether the client has reached a relay, as far as Arti can tell.
fn in_contact(tor: &TorClient<Runtime>) -> bool {
    let status = tor
        .chanmgr()
        .ok()
        .map(|channels| channels.bootstrap_events());
    let now = status.and_then(|mut status| status.next().now_or_never().flatten());
    now.is_some_and(|status| status.usable())
}

async fn next_of<S: Stream + Unpin>(stream: &mut Option<S>) -> Option<S::Item> {
    match stream {
        Some(stream) => stream.next().await,
        None => pending().await,
    }
}
