//! The running listeners: started, changed and removed together.

mod start;

pub(super) use start::{prepare, ListenerStarter};

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ron_transport::limits::Limiter;
use ron_transport::{
    ConnSnapshot, DrainReport, Limits, ListenAddr, ReadyReason, ReadyState, Transport,
};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::handlers::ConnHandler;
use crate::listener::ListenerPlan;
use crate::logging::TARGET;
use crate::settings::Mode;
use crate::upstream::TargetStatus;

/// A listener that accepts connections, or that drains after its removal.
pub(crate) struct RunningListener {
    pub(crate) transport: Arc<Transport>,
    pub(super) handler: Arc<ConnHandler>,
    pub(super) is_inherited: bool,
    /// Replaced by a reload.
    plan: Mutex<ListenerPlan>,
}

impl RunningListener {
    pub(crate) fn new(transport: Arc<Transport>, is_inherited: bool, plan: ListenerPlan) -> Self {
        Self {
            handler: Arc::new(ConnHandler::new(&transport, &plan.service)),
            transport,
            is_inherited,
            plan: Mutex::new(plan),
        }
    }

    /// Returns the name; `None` without `[listeners.NAME]`.
    pub(crate) fn name(&self) -> Option<&str> {
        self.transport.name()
    }

    /// Returns the addresses, in the order of the configuration.
    pub(crate) fn addrs(&self) -> Vec<ListenAddr> {
        self.transport.local_addrs()
    }

    /// Returns the addresses as logs show them.
    pub(super) fn listen(&self) -> String {
        let addrs: Vec<_> = self.addrs().iter().map(ToString::to_string).collect();
        addrs.join(",")
    }

    pub(super) fn plan(&self) -> ListenerPlan {
        lock(&self.plan).clone()
    }

    /// Applies a plan whose transport settings are in force.
    pub(super) fn set_plan(&self, plan: ListenerPlan) {
        self.handler.set_service(&plan.service);
        *lock(&self.plan) = plan;
    }

    pub(crate) fn mode(&self) -> Mode {
        lock(&self.plan).service.mode
    }

    /// Returns the upstream targets: none unless the mode is `forward`.
    pub(crate) fn upstreams(&self) -> Vec<TargetStatus> {
        self.handler.upstreams.status()
    }

    pub(crate) fn readiness(&self) -> ReadyState {
        *self.transport.readiness().borrow()
    }
}

/// The running listeners, in the order of their names. Clones share them.
#[derive(Clone)]
pub(crate) struct Listeners(Arc<ListenerSet>);

struct ListenerSet {
    running: Mutex<Vec<Arc<RunningListener>>>,
    /// The owner of the shared ceilings of named listeners.
    shared: Option<Limiter>,
    overloaded: AtomicBool,
    readiness: watch::Sender<ReadyState>,
}

impl Listeners {
    pub(crate) fn new(running: Vec<Arc<RunningListener>>, shared: Option<Limiter>) -> Self {
        let set = ListenerSet {
            readiness: watch::Sender::new(worst(&running)),
            running: Mutex::new(running),
            shared,
            overloaded: AtomicBool::new(false),
        };
        Self(Arc::new(set))
    }

    pub(crate) fn all(&self) -> Vec<Arc<RunningListener>> {
        lock(&self.0.running).clone()
    }

    /// Returns whether the listeners have names.
    pub(crate) fn are_named(&self) -> bool {
        self.0.shared.is_some()
    }

    /// Replaces the listeners after a reload.
    pub(super) fn replace(&self, running: Vec<Arc<RunningListener>>) {
        if self.0.overloaded.load(Ordering::Relaxed) {
            running
                .iter()
                .for_each(|one| one.transport.set_overloaded(true));
        }
        *lock(&self.0.running) = running;
        self.update_readiness();
    }

    /// Returns the worst readiness of all.
    pub(crate) fn readiness(&self) -> ReadyState {
        worst(&lock(&self.0.running))
    }

    /// Returns a watch on the worst readiness.
    pub(crate) fn watch_readiness(&self) -> watch::Receiver<ReadyState> {
        self.0.readiness.subscribe()
    }

    fn update_readiness(&self) {
        let now = self.readiness();
        self.0.readiness.send_if_modified(|known| {
            let changed = *known != now;
            *known = now;
            changed
        });
    }

    /// Follows the readiness of one listener until its transport ends.
    pub(super) async fn follow(self, one: Arc<RunningListener>) {
        let mut readiness = one.transport.readiness();
        drop(one);
        self.update_readiness();
        while readiness.changed().await.is_ok() {
            self.update_readiness();
        }
    }

    /// Refuses new connections as `overload`, or accepts them again.
    pub(crate) fn set_overloaded(&self, overloaded: bool) {
        self.0.overloaded.store(overloaded, Ordering::Relaxed);
        for one in self.all() {
            one.transport.set_overloaded(overloaded);
        }
    }

    /// Returns the limiter with the ceilings of all listeners.
    pub(crate) fn limiter(&self) -> Option<Limiter> {
        let running = lock(&self.0.running);
        let first = running.first().map(|one| one.transport.limiter());
        self.0.shared.as_ref().or(first).cloned()
    }

    /// Returns the limits in force, with the deadlines of the first listener.
    pub(crate) fn limits(&self) -> Limits {
        let first = lock(&self.0.running).first().cloned();
        first.map_or_else(Limits::default, |one| one.transport.config().limits.clone())
    }

    /// Returns the number of established connections, accepted and dialed.
    pub(crate) fn open(&self) -> usize {
        let running = lock(&self.0.running);
        running
            .iter()
            .map(|one| one.transport.limiter().open())
            .sum()
    }

    /// Returns at most `max` open connections with a number above `after`, ascending.
    pub(crate) fn connections_after(&self, after: u64, max: usize) -> Vec<ConnSnapshot> {
        let all = self.all();
        let of_each = all
            .iter()
            .map(|one| one.transport.connections_after(after, max));
        let mut found: Vec<_> = of_each.flatten().collect();
        found.sort_by_key(|conn| conn.id);
        found.truncate(max);
        found
    }

    /// Cancels the open connection with this number; returns whether it exists.
    pub(crate) fn cancel(&self, id: u64) -> bool {
        self.all().iter().any(|one| one.transport.cancel(id))
    }

    /// Returns the progress of a Tor bootstrap, 0 to 1.
    pub(crate) fn tor_progress(&self) -> Option<f64> {
        self.all()
            .iter()
            .find_map(|one| one.transport.tor_progress())
    }

    /// Reports the readiness of a removed listener's successor.
    ///
    /// Both have the same series.
    pub(super) fn report_successor(&self, name: Option<&str>) {
        let all = self.all();
        if let Some(one) = all.iter().find(|one| one.name() == name) {
            one.transport.report_readiness();
        }
    }

    /// Counts and logs a rejected reload.
    pub(super) fn reload_rejected(&self, why: &dyn std::fmt::Display) {
        if let Some(first) = self.all().first() {
            first.transport.reload_rejected(why);
        }
    }

    /// Drains all listeners at once, under one deadline.
    ///
    /// Logs the sum of named ones.
    pub(super) async fn shutdown(&self) {
        let all = self.all();
        let drain_timeout =
            |one: &Arc<RunningListener>| one.transport.config().general.drain_timeout();
        let deadline = all.first().map_or(Duration::ZERO, drain_timeout);
        let mut draining = JoinSet::new();
        for one in all {
            draining.spawn(async move { one.transport.shutdown(deadline).await });
        }
        let mut reports = Vec::new();
        while let Some(report) = draining.join_next().await {
            reports.extend(report);
        }
        if self.are_named() {
            log_sum(&reports);
        }
    }
}

fn log_sum(reports: &[DrainReport]) {
    let sum = |part: fn(&DrainReport) -> usize| reports.iter().map(part).sum::<usize>();
    let [finished, closed_idle, aborted] = [
        sum(|report| report.finished),
        sum(|report| report.closed_idle),
        sum(|report| report.aborted),
    ];
    let took = reports.iter().map(|report| report.took).max();
    let took = took.unwrap_or_default().as_millis();
    tracing::info!(
        target: TARGET,
        event = "shutdown",
        listeners = reports.len(),
        open = finished + closed_idle + aborted,
        drained = finished + closed_idle,
        finished,
        closed_idle,
        aborted,
        duration_ms = u64::try_from(took).unwrap_or(u64::MAX),
    );
}

/// Returns the worst state; of several equally bad ones the first.
fn worst(running: &[Arc<RunningListener>]) -> ReadyState {
    let states = running.iter().map(|one| one.readiness());
    let starting = ReadyState::NotReady {
        reason: ReadyReason::Starting,
    };
    states.min_by_key(|state| state.level()).unwrap_or(starting)
}

/// Locks a mutex; no code panics while it holds one of these.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
