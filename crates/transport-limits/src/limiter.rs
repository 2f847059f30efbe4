//! What the connections of one transport share: limits in force, admission, buckets, observer,
//! tasks, and the register of open connections.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use transport_core::schema::{ConflictingSettings, Section};
use transport_core::{
    Backend, ConnInfo, Direction, Observer, Reason, Reloadable, Scope, Target, TransportError,
};

use crate::admission::Admission;
use crate::budget::Budget;
use crate::clock::Clock;
use crate::conn_settings::ConnSettings;
use crate::conn_state::ConnState;
use crate::control::Control;
use crate::event::{ConnLabels, LogEvents};
use crate::rates::CurrentRates;
use crate::registry::Registry;
use crate::settings::Limits;
use crate::shared_bucket::SharedBucket;
use crate::tasks::Tasks;

/// The next connection's number, unique in the process.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// The limits of a transport at work. Cheap to clone; every guard of a transport holds the same.
#[derive(Clone)]
pub struct Limiter(Arc<Inner>);

struct Inner {
    clock: Clock,
    observer: Arc<dyn Observer>,
    admission: Admission,
    budget: Budget,
    rates: CurrentRates,
    global: [SharedBucket; 2],
    settings: Reloadable<ConnSettings>,
    conns: Mutex<Registry>,
    /// Accepted connections are refused.
    refuses: AtomicBool,
    /// Connections end as they become idle.
    draining: CancellationToken,
    /// Every connection is cancelled.
    closed: CancellationToken,
    /// Streams in a lingering close.
    lingering: AtomicUsize,
    tasks: Tasks,
    events: LogEvents,
}

impl std::fmt::Debug for Limiter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Limiter")
            .field("open", &self.open())
            .finish_non_exhaustive()
    }
}

impl Limiter {
    /// Puts limits to work.
    ///
    /// # Errors
    /// When a rule that spans several settings is broken: the key to blame, and why.
    pub fn new(limits: &Limits, observer: Arc<dyn Observer>) -> Result<Self, ConflictingSettings> {
        ConflictingSettings::into_result(limits.check())?;
        Ok(Self(Arc::new(Inner {
            clock: Clock::start(),
            tasks: Tasks::new(Arc::clone(&observer)),
            budget: Budget::new(limits.memory_bytes(), Arc::clone(&observer)),
            observer,
            admission: Admission::new(limits),
            rates: CurrentRates::new(limits),
            global: Default::default(),
            settings: Reloadable::new(ConnSettings::new(limits)),
            conns: Mutex::default(),
            refuses: AtomicBool::new(false),
            draining: CancellationToken::new(),
            closed: CancellationToken::new(),
            lingering: AtomicUsize::new(0),
            events: LogEvents::default(),
        })))
    }

    /// Puts other limits in force: caps and rates at once and on open connections, the rest for
    /// new ones. Parked operations are woken and reckon anew.
    ///
    /// # Errors
    /// As [`new`](Self::new); nothing has changed then.
    pub fn apply(&self, limits: &Limits) -> Result<(), ConflictingSettings> {
        ConflictingSettings::into_result(limits.check())?;
        let inner = &*self.0;
        inner.settings.replace(ConnSettings::new(limits));
        inner.admission.apply(limits);
        inner.budget.set_limit(limits.memory_bytes());
        inner.rates.store(limits);
        self.rebase();
        for conn in self.register().iter() {
            conn.wake();
        }
        Ok(())
    }

    /// Frees every bucket of the debts of slower rates.
    fn rebase(&self) {
        let now = self.now();
        let one = |scope, buckets: &[SharedBucket; 2]| {
            for direction in Direction::ALL {
                if let Some(rate) = self.0.rates.rate(scope, direction) {
                    buckets[direction as usize].bucket.rebase(now, rate);
                }
            }
        };
        one(Scope::Global, &self.0.global);
        for peer in self.0.admission.peers().iter() {
            one(Scope::Peer, &peer.buckets);
        }
        for conn in self.register().iter() {
            one(Scope::Conn, &conn.buckets);
        }
    }

    /// Announces a drain: [`Control::draining`] resolves. Connections are still admitted.
    pub fn begin_drain(&self) {
        self.0.draining.cancel();
    }

    /// Refuses every connection that is accepted from now on as `draining`.
    pub fn drain(&self) {
        self.begin_drain();
        self.0.refuses.store(true, Ordering::Relaxed);
    }

    /// Resolves once a drain has begun.
    ///
    /// # Cancel safety
    /// Cancel-safe.
    pub async fn draining(&self) {
        self.0.draining.cancelled().await;
    }

    /// Resolves once every connection was cancelled.
    pub(crate) async fn closed(&self) {
        self.0.closed.cancelled().await;
    }

    /// Counts a lingering close, until the guard is dropped.
    pub(crate) fn lingers(&self) -> LingerCount {
        self.0.lingering.fetch_add(1, Ordering::Relaxed);
        LingerCount(self.clone())
    }

    /// Returns how many streams are in a lingering close: ended, and not gone yet.
    #[must_use]
    pub fn lingering(&self) -> usize {
        self.0.lingering.load(Ordering::Relaxed)
    }

    /// Cancels every connection, also those that are established from now on.
    pub fn close(&self) {
        self.drain();
        self.register().closed = true;
        self.0.closed.cancel();
        for control in self.connections() {
            control.cancel();
        }
    }

    /// Handles on all open connections, accepted and dialed.
    #[must_use]
    pub fn connections(&self) -> Vec<Control> {
        self.register()
            .iter()
            .map(|conn| Control(Arc::clone(conn)))
            .collect()
    }

    /// How many connections are established, accepted and dialed.
    #[must_use]
    pub fn open(&self) -> usize {
        self.register().len()
    }

    /// How many connections are admitted: established accepted ones and pending handshakes.
    #[must_use]
    pub fn admitted(&self) -> u64 {
        self.0.admission.inside()
    }

    /// How many peers have at least this many accepted connections; 0 counts as 1.
    #[must_use]
    pub fn peers_with_at_least(&self, conns: usize) -> usize {
        self.0.admission.peers().with_at_least(conns)
    }

    /// Bytes that are charged to the memory budget now; free chunks are not.
    #[must_use]
    pub fn memory_held(&self) -> u64 {
        self.0.budget.held()
    }

    /// Waits until something is charged to the memory budget.
    ///
    /// # Cancel safety
    /// Cancel-safe.
    pub async fn memory_used(&self) {
        self.0.budget.used().await;
    }

    /// How many handshakes of accepted connections are under way.
    #[must_use]
    pub fn pending(&self) -> usize {
        usize::try_from(self.0.admission.pending_inside()).unwrap_or(usize::MAX)
    }

    /// The place where tasks are spawned and tracked.
    #[must_use]
    pub fn tasks(&self) -> &Tasks {
        &self.0.tasks
    }

    /// Counts a reject that an embedder decided, and logs it (sampled). The connection does not
    /// count as ended in order.
    pub fn reject(&self, reason: Reason, control: &Control, error: &TransportError) {
        control.0.fail();
        control.0.reject(reason, error);
    }

    /// Fails an accepted connection whose dial to its upstream failed; it is aborted when its
    /// stream is dropped.
    ///
    /// The failure counts one reject: by its own reason, which the dial has counted, else as
    /// `upstream`. A dial that ended with the transport counts none.
    pub fn dial_failed(&self, control: &Control, error: &TransportError) {
        control.0.fail();
        if error.reason().is_none() && !matches!(error, TransportError::Cancelled) {
            control.0.reject(Reason::Upstream, error);
        }
    }

    pub(crate) fn rejected(
        &self,
        reason: Reason,
        backend: Backend,
        who: ConnLabels<'_>,
        error: Option<&TransportError>,
    ) {
        self.0.observer.rejected(reason);
        self.0
            .events
            .reject(self.now(), reason, backend, who, error);
    }

    pub(crate) fn log_dial(
        &self,
        backend: Backend,
        to: Option<&Target>,
        took: std::time::Duration,
        result: Result<&ConnInfo, &TransportError>,
    ) {
        self.0.events.dialed(self.now(), backend, to, took, result);
    }

    pub(crate) fn events(&self) -> &LogEvents {
        &self.0.events
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.0.refuses.load(Ordering::Relaxed)
    }

    pub(crate) fn now(&self) -> u64 {
        self.0.clock.now()
    }

    pub(crate) fn instant(&self, ticks: u64) -> Instant {
        self.0.clock.instant(ticks)
    }

    pub(crate) fn observer(&self) -> &dyn Observer {
        &*self.0.observer
    }

    /// Who counts, for a backend that counts what no limit is about.
    #[must_use]
    pub fn shared_observer(&self) -> Arc<dyn Observer> {
        Arc::clone(&self.0.observer)
    }

    pub(crate) fn admission(&self) -> &Admission {
        &self.0.admission
    }

    /// `limits.chunk_bytes` of new connections.
    #[must_use]
    pub fn chunk_bytes(&self) -> usize {
        self.settings().chunk
    }

    pub(crate) fn budget(&self) -> &Budget {
        &self.0.budget
    }

    pub(crate) fn rates(&self) -> &CurrentRates {
        &self.0.rates
    }

    pub(crate) fn global(&self, direction: Direction) -> &SharedBucket {
        &self.0.global[direction as usize]
    }

    /// The deadline of a dial that begins now.
    #[must_use]
    pub fn dial_timeout(&self) -> std::time::Duration {
        self.settings().dial
    }

    pub(crate) fn settings(&self) -> Arc<ConnSettings> {
        self.0.settings.get()
    }

    pub(crate) fn next_id() -> u64 {
        NEXT_ID.fetch_add(1, Ordering::Relaxed)
    }

    /// Enters a connection that was just established; once the limiter is closed it is cancelled.
    pub(crate) fn enter(&self, conn: &Arc<ConnState>) {
        let mut register = self.register();
        register.enter(conn);
        if register.closed {
            drop(register);
            conn.end_with(&TransportError::Cancelled);
        }
    }

    pub(crate) fn leave(&self, conn: &ConnState) {
        let left = self.register().leave(conn);
        drop(left);
    }

    /// Held for a few operations on a list, when a connection opens, when it ends, and for a sample
    /// of idle ones.
    pub(crate) fn register(&self) -> MutexGuard<'_, Registry> {
        self.0.conns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a lingering close while it is alive.
pub(crate) struct LingerCount(Limiter);

impl Drop for LingerCount {
    fn drop(&mut self) {
        self.0 .0.lingering.fetch_sub(1, Ordering::Relaxed);
    }
}
