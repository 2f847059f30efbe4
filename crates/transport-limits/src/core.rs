//! State that a limiter shares with its connections and their permits.
//!
//! `Core` is the layer below connections: clock, observer, admission, rates, memory budget, tasks,
//! log and drain flags. It holds no connection; those are in the registry, a layer above.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Arc;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use transport_core::{Backend, Direction, Observer, Reason, Reloadable, Scope, TransportError};

use crate::admission::Admission;
use crate::budget::Budget;
use crate::clock::Clock;
use crate::conn_settings::ConnSettings;
use crate::event::{ConnLabels, LogEvents};
use crate::rates::CurrentRates;
use crate::settings::Limits;
use crate::shared_bucket::SharedBucket;
use crate::tasks::Tasks;

pub(crate) struct Core {
    clock: Clock,
    observer: Arc<dyn Observer>,
    admission: Admission,
    budget: Budget,
    rates: CurrentRates,
    /// Bytes in, bytes out: the buckets of all connections together.
    global: [SharedBucket; 2],
    /// Settings that new connections get.
    settings: Reloadable<ConnSettings>,
    /// Whether accepted connections are refused as `draining`.
    refuses: AtomicBool,
    /// Cancelled when a drain begins: connections then end as they become idle.
    draining: CancellationToken,
    /// Cancelled when every connection is.
    closed: CancellationToken,
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
    pub(crate) fn new(limits: &Limits, observer: Arc<dyn Observer>) -> Self {
        Self {
            clock: Clock::start(),
            tasks: Tasks::new(Arc::clone(&observer)),
            budget: Budget::new(limits.memory_bytes(), Arc::clone(&observer)),
            observer,
            admission: Admission::new(limits),
            rates: CurrentRates::new(limits),
            global: Default::default(),
            settings: Reloadable::new(ConnSettings::new(limits)),
            refuses: AtomicBool::new(false),
            draining: CancellationToken::new(),
            closed: CancellationToken::new(),
            lingering: AtomicUsize::new(0),
            events: LogEvents::default(),
        }
    }

    /// Applies other limits to everything but open connections.
    pub(crate) fn apply(&self, limits: &Limits) {
        self.settings.replace(ConnSettings::new(limits));
        self.admission.apply(limits);
        self.budget.set_limit(limits.memory_bytes());
        self.rates.store(limits);
        self.rebase(Scope::Global, &self.global);
        for peer in self.admission.peers().iter() {
            self.rebase(Scope::Peer, &peer.buckets);
        }
    }

    /// Caps the debts of a scope's two buckets at the new rate.
    pub(crate) fn rebase(&self, scope: Scope, buckets: &[SharedBucket; 2]) {
        let now = self.now();
        for direction in Direction::ALL {
            if let Some(rate) = self.rates.rate(scope, direction) {
                buckets[direction as usize].bucket.rebase(now, rate);
            }
        }
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
        &self.admission
    }

    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }

    pub(crate) fn rates(&self) -> &CurrentRates {
        &self.rates
    }

    pub(crate) fn global(&self, direction: Direction) -> &SharedBucket {
        &self.global[direction as usize]
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
