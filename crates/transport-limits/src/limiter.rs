//! The limits of one transport: its core, and its connections.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use transport_core::schema::{ConflictingSettings, Section, ValueError};
use transport_core::{Observer, Reason, Scope, TransportError};

use crate::control::Control;
use crate::core::Core;
use crate::registry::Registry;
use crate::settings::Limits;
use crate::tasks::Tasks;

/// The next connection's number, unique in the process.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// The limits of a transport in force, shared by all its guards. Cheap to clone.
///
/// ```
/// # use std::sync::Arc;
/// use transport_core::NoObserver;
/// use transport_limits::{Limiter, Limits};
///
/// let mut limits = Limits::default();
/// limits.set_max_conns(10_000)?;
/// let limiter = Limiter::new(&limits, Arc::new(NoObserver))?;
/// assert_eq!(limiter.open(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Limiter {
    core: Arc<Core>,
    registry: Arc<Registry>,
}

impl std::fmt::Debug for Limiter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Limiter")
            .field("open", &self.open())
            .finish_non_exhaustive()
    }
}

impl Limiter {
    /// Applies limits, and reports to this observer.
    ///
    /// # Errors
    /// When settings contradict each other: the keys, and the reason for each.
    pub fn new(limits: &Limits, observer: Arc<dyn Observer>) -> Result<Self, ConflictingSettings> {
        let limits = limits.clone();
        Self::builder().limits(limits).observer(observer).build()
    }

    /// Applies caps and rates at once, other limits to new connections.
    ///
    /// Caps and rates apply to open connections as well. Throttled operations are woken, so that
    /// they re-evaluate against the new rates.
    ///
    /// A limiter that [shares](crate::LimiterBuilder::share) ceilings does not change them: it
    /// accepts only their default and their current values. The limiter that was built without
    /// `share` owns them, and changes them for all. It does not compare them with the deadlines
    /// and frame sizes of the others; their next `apply` does.
    ///
    /// # Errors
    /// As [`LimiterBuilder::build`](crate::LimiterBuilder::build), and for another
    /// `per_peer.ipv4_prefix` or `per_peer.ipv6_prefix`; the limits stay as they were.
    pub fn apply(&self, limits: &Limits) -> Result<(), ConflictingSettings> {
        let limits = self.effective(limits)?;
        ConflictingSettings::into_result(limits.check())?;
        ConflictingSettings::into_result(self.changed_prefixes(&limits))?;
        self.core.apply(&limits);
        if !self.core.joined() {
            self.registry.rates_changed(|conn| {
                self.core.ceilings().rebase(Scope::Conn, &conn.buckets);
            });
        }
        Ok(())
    }

    /// Returns the changed keys that open connections rule out.
    fn changed_prefixes(&self, limits: &Limits) -> Vec<(&'static str, ValueError)> {
        let now = self.core.ceilings().limits();
        let keys = ["per_peer.ipv4_prefix", "per_peer.ipv6_prefix"].into_iter();
        let changed = keys.filter(|key| now.get(key) != limits.get(key));
        let why = || ValueError::new("cannot change while the limiter is in use: build another");
        changed.map(|key| (key, why())).collect()
    }

    /// Returns these limits with the ceilings of the limiter that owns them.
    ///
    /// Unchanged for a limiter without shared ceilings.
    ///
    /// # Errors
    /// When a shared key has neither its default nor the shared value.
    pub fn effective(&self, limits: &Limits) -> Result<Limits, ConflictingSettings> {
        if !self.core.joined() {
            return Ok(limits.clone());
        }
        limits.under(&self.core.ceilings().limits())
    }

    /// Returns the name of the transport.
    ///
    /// It is the field `transport` of log events.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.core.events().transport()
    }

    /// Returns these limits with the shared ceilings in force, without a check.
    ///
    /// Unchanged for a limiter without shared ceilings.
    #[must_use]
    pub fn refreshed(&self, limits: &Limits) -> Limits {
        match self.core.joined() {
            true => limits.with_ceilings(&self.core.ceilings().limits()),
            false => limits.clone(),
        }
    }

    /// Returns the limits in force.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.core.limits()
    }

    /// Announces a drain: [`Control::draining`] resolves. Connections are still admitted.
    pub fn begin_drain(&self) {
        self.core.begin_drain();
    }

    /// Announces a drain, and refuses newly accepted connections as `draining`.
    pub fn drain(&self) {
        self.core.drain();
    }

    /// Resolves once a drain has begun.
    ///
    /// # Cancel safety
    /// Cancel-safe.
    pub async fn draining(&self) {
        self.core.draining().await;
    }

    /// Returns the number of streams in a lingering close.
    #[must_use]
    pub fn lingering(&self) -> usize {
        self.core.lingering()
    }

    /// Cancels every connection, open ones and later ones.
    pub fn close(&self) {
        self.registry.close();
        self.core.close();
        for control in self.connections() {
            control.cancel();
        }
    }

    /// Returns handles of all open connections, accepted and dialed.
    #[must_use]
    pub fn connections(&self) -> Vec<Control> {
        let mut controls = Vec::new();
        self.registry
            .for_each(|conn| controls.push(Control(Arc::clone(conn))));
        controls
    }

    /// Returns the number of established connections, accepted and dialed.
    #[must_use]
    pub fn open(&self) -> usize {
        self.registry.len()
    }

    /// Returns the number of admitted connections, pending handshakes included.
    ///
    /// Of all limiters that share ceilings, together.
    #[must_use]
    pub fn admitted(&self) -> u64 {
        self.core.admission().inside()
    }

    /// Returns the number of peers with at least `conns` accepted connections.
    ///
    /// 0 counts as 1. The table of peers is that of all limiters that share ceilings.
    #[must_use]
    pub fn peers_with_at_least(&self, conns: usize) -> usize {
        self.core.admission().peers().with_at_least(conns)
    }

    /// Returns the bytes charged to the memory budget now, without free chunks.
    ///
    /// By all limiters that share ceilings, together.
    #[must_use]
    pub fn memory_held(&self) -> u64 {
        self.core.budget().held()
    }

    /// Waits until bytes are charged to the memory budget.
    ///
    /// # Cancel safety
    /// Cancel-safe.
    pub async fn memory_used(&self) {
        self.core.budget().used().await;
    }

    /// Waits until about 1 MiB of charged bytes is freed.
    ///
    /// An embedder can then return the pages to the system. Several tasks may wait.
    ///
    /// # Cancel safety
    /// Cancel-safe.
    pub async fn memory_freed(&self) {
        self.core.budget().freed().await;
    }

    /// Returns the number of pending handshakes of accepted connections.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.core.pending().load(Ordering::Relaxed)
    }

    /// Returns the tracker of all tasks of the transport.
    #[must_use]
    pub fn tasks(&self) -> &Tasks {
        self.core.tasks()
    }

    /// Counts a reject that an embedder decided, and logs it (sampled).
    ///
    /// The connection then counts as ended by an error.
    pub fn reject(&self, reason: Reason, control: &Control, error: &TransportError) {
        control.0.fail();
        control.0.reject(reason, error);
    }

    /// Fails an accepted connection after its upstream dial failed.
    ///
    /// Dropping its stream aborts it.
    ///
    /// The failure counts as one reject: by its own reason, which the dial has counted, else as
    /// `upstream`. A dial that ended with the transport counts as none.
    pub fn dial_failed(&self, control: &Control, error: &TransportError) {
        control.0.fail();
        if error.reason().is_none() && !matches!(error, TransportError::Cancelled) {
            control.0.reject(Reason::Upstream, error);
        }
    }

    /// Returns the observer, for a backend that reports events of its own.
    #[must_use]
    pub fn shared_observer(&self) -> Arc<dyn Observer> {
        Arc::clone(self.core.observer())
    }

    /// Returns `limits.chunk_bytes` of new connections.
    #[must_use]
    pub fn chunk_bytes(&self) -> usize {
        self.core.settings().chunk
    }

    /// Returns the deadline of a dial that begins now.
    #[must_use]
    pub fn dial_timeout(&self) -> std::time::Duration {
        self.core.settings().dial
    }

    pub(crate) fn from_parts(core: Arc<Core>, registry: Arc<Registry>) -> Self {
        Self { core, registry }
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    pub(crate) fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    pub(crate) fn into_parts(self) -> (Arc<Core>, Arc<Registry>) {
        (self.core, self.registry)
    }

    pub(crate) fn next_id() -> u64 {
        NEXT_ID.fetch_add(1, Ordering::Relaxed)
    }
}
