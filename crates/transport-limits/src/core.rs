//! State that a limiter shares with its connections and their permits.
//!
//! `Core` is the layer below connections: the ceilings, which limiters can share, and what each
//! limiter has by itself: observer, deadlines, address rules, tasks, log and drain flags. It holds
//! no connection; those are in the registry, a layer above.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Arc;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use transport_core::{
    Backend, Direction, Observer, Reason, Reloadable, TransportError, TransportName,
};

use crate::admission::Admission;
use crate::admission_rules::AdmissionRules;
use crate::budget::Budget;
use crate::ceilings::Ceilings;
use crate::clock::Clock;
use crate::conn_settings::ConnSettings;
use crate::event::{ConnLabels, LogEvents};
use crate::participant::Participant;
use crate::rates::CurrentRates;
use crate::settings::Limits;
use crate::shared_bucket::SharedBucket;
use crate::tasks::Tasks;

pub(crate) struct Core {
    clock: Clock,
    observer: Arc<dyn Observer>,
    ceilings: Arc<Ceilings>,
    /// Whether another limiter owns the ceilings.
    joined: bool,
    participant: Arc<Participant>,
    budget: Budget,
    rules: AdmissionRules,
    /// Whether new connections are refused as `overload`.
    overloaded: AtomicBool,
    /// The limits in force; those of the ceilings may be newer.
    limits: Reloadable<Limits>,
    /// Settings that new connections get.
    settings: Reloadable<ConnSettings>,
    /// Whether accepted connections are refused as `draining`.
    refuses: AtomicBool,
    /// Cancelled when a drain begins: connections then end as they become idle.
    draining: CancellationToken,
    /// Cancelled when every connection is.
    closed: CancellationToken,
    /// Pending handshakes of accepted connections.
    pending: AtomicUsize,
    /// Streams in a lingering close.
    lingering: AtomicUsize,
    tasks: Tasks,
    events: LogEvents,
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core").finish_non_exhaustive()
    }
}

impl Core {
    /// Creates the state of one limiter under these ceilings.
    pub(crate) fn new(
        limits: &Limits,
        observer: Arc<dyn Observer>,
        name: Option<TransportName>,
        ceilings: Arc<Ceilings>,
        joined: bool,
    ) -> Self {
        let participant = Arc::new(Participant::new(Arc::clone(&observer)));
        ceilings.join(&participant);
        Self {
            clock: ceilings.clock,
            tasks: Tasks::new(Arc::clone(&observer)),
            budget: Budget::new(&ceilings.budget, Arc::clone(&observer)),
            observer,
            ceilings,
            joined,
            participant,
            rules: AdmissionRules::new(limits),
            overloaded: AtomicBool::new(false),
            limits: Reloadable::new(limits.clone()),
            settings: Reloadable::new(ConnSettings::new(limits)),
            refuses: AtomicBool::new(false),
            draining: CancellationToken::new(),
            closed: CancellationToken::new(),
            pending: AtomicUsize::new(0),
            lingering: AtomicUsize::new(0),
            events: LogEvents::new(name),
        }
    }

    /// Applies other limits to everything but open connections.
    ///
    /// Ceilings of another limiter stay.
    pub(crate) fn apply(&self, limits: &Limits) {
        self.limits.replace(limits.clone());
        self.settings.replace(ConnSettings::new(limits));
        self.rules.apply(limits);
        if !self.joined {
            self.ceilings.apply(limits);
        }
    }

    /// Returns the limits in force.
    pub(crate) fn limits(&self) -> Limits {
        self.limits.get().with_ceilings(&self.ceilings.limits())
    }

    /// Returns whether another limiter owns the ceilings.
    pub(crate) fn joined(&self) -> bool {
        self.joined
    }

    pub(crate) fn ceilings(&self) -> &Arc<Ceilings> {
        &self.ceilings
    }

    pub(crate) fn rules(&self) -> &AdmissionRules {
        &self.rules
    }

    pub(crate) fn set_overloaded(&self, overloaded: bool) {
        self.overloaded.store(overloaded, Ordering::Relaxed);
    }

    pub(crate) fn is_overloaded(&self) -> bool {
        self.overloaded.load(Ordering::Relaxed)
    }

    /// Reports the size of the peer table after a change.
    pub(crate) fn report_peers(&self, backend: Backend) {
        self.ceilings.report_peers(&self.participant, backend);
    }

    pub(crate) fn begin_drain(&self) {
        self.draining.cancel();
    }

    pub(crate) fn drain(&self) {
        self.begin_drain();
        self.refuses.store(true, Ordering::Relaxed);
    }

    /// Returns whether accepted connections are refused as `draining`.
    pub(crate) fn refuses(&self) -> bool {
        self.refuses.load(Ordering::Relaxed)
    }

    /// Resolves once a drain has begun.
    pub(crate) async fn draining(&self) {
        self.draining.cancelled().await;
    }

    pub(crate) fn close(&self) {
        self.drain();
        self.closed.cancel();
        if self.joined {
            self.ceilings.leave(&self.participant);
        }
    }

    /// Resolves once every connection was cancelled.
    pub(crate) async fn closed(&self) {
        self.closed.cancelled().await;
    }

    /// Counts a lingering close until the guard is dropped.
    pub(crate) fn count_lingering(&self) -> LingerCount<'_> {
        self.lingering.fetch_add(1, Ordering::Relaxed);
        LingerCount(self)
    }

    /// Returns the count of pending handshakes, which permits change.
    pub(crate) fn pending(&self) -> &AtomicUsize {
        &self.pending
    }

    pub(crate) fn lingering(&self) -> usize {
        self.lingering.load(Ordering::Relaxed)
    }

    /// Counts a reject and logs it (sampled).
    pub(crate) fn rejected(
        &self,
        reason: Reason,
        backend: Backend,
        conn: ConnLabels<'_>,
        error: Option<&TransportError>,
    ) {
        self.observer.rejected(reason);
        self.events.reject(self.now(), reason, backend, conn, error);
    }

    pub(crate) fn now(&self) -> u64 {
        self.clock.now()
    }

    /// Returns the tick of a read or write that has moved bytes.
    pub(crate) fn shared_now(&self) -> u64 {
        self.clock.shared_now()
    }

    pub(crate) fn instant(&self, ticks: u64) -> Instant {
        self.clock.instant(ticks)
    }

    pub(crate) fn settings(&self) -> Arc<ConnSettings> {
        self.settings.get()
    }

    pub(crate) fn observer(&self) -> &Arc<dyn Observer> {
        &self.observer
    }

    pub(crate) fn admission(&self) -> &Admission {
        &self.ceilings.admission
    }

    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }

    pub(crate) fn rates(&self) -> &CurrentRates {
        &self.ceilings.rates
    }

    pub(crate) fn global(&self, direction: Direction) -> &SharedBucket {
        &self.ceilings.global[direction as usize]
    }

    pub(crate) fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    pub(crate) fn events(&self) -> &LogEvents {
        &self.events
    }
}

/// Counts a lingering close while it is alive.
pub(crate) struct LingerCount<'a>(&'a Core);

impl Drop for LingerCount<'_> {
    fn drop(&mut self) {
        self.0.lingering.fetch_sub(1, Ordering::Relaxed);
    }
}
