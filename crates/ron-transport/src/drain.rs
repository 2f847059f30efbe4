//! Drains connections within a deadline.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::{sleep, sleep_until, timeout, Instant};
use transport_core::ReadyReason;
use transport_limits::{Control, Limiter};

use crate::readiness::Component;
use crate::state::TransportState;

/// Interval at which a drain looks for connections that have become idle.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// Connections that a drain examines before other tasks run.
///
/// The drain closes the idle ones.
const CONNS_PER_TURN: usize = 64;
/// Time for cancelled tasks, and for the listener, to end.
const TASK_GRACE: Duration = Duration::from_millis(200);

/// The result of a shutdown. Each connection open at its start counts in one number.
///
/// Accepted and dialed connections count alike, and pending handshakes count as accepted
/// connections. A connection with a request in flight is never in `closed_idle`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct DrainReport {
    /// Connections that their peers or handlers ended.
    pub finished: usize,
    /// Connections that the drain ended in order because they were idle.
    pub closed_idle: usize,
    /// Connections that the drain aborted at the deadline.
    pub aborted: usize,
    /// The duration of the shutdown.
    pub took: Duration,
}

/// Stops accepting and sets readiness to draining.
pub(crate) fn stop_accepting(state: &TransportState) {
    // A call after a shutdown finds the transport stopped.
    if !state.kill.is_cancelled() {
        state
            .readiness
            .not_ready(Component::Lifecycle, ReadyReason::Draining);
    }
    state.stop.cancel();
}

/// Stops accepting, and drains once the listener is closed.
///
/// Announces the drain to handlers before.
pub(crate) async fn run(
    state: &TransportState,
    closing: impl Future<Output = ()>,
    deadline: Duration,
) -> DrainReport {
    let started = Instant::now();
    let limiter = &state.limiter;
    // Before the announcement: handlers on other threads may end their connections at once.
    let mut drain = Drain::new(limiter);
    stop_accepting(state);
    limiter.begin_drain();
    // A listener whose owner does not poll it never closes.
    let _ = timeout(deadline.max(TASK_GRACE), closing).await;
    limiter.drain();
    drain.add_late();
    let rest = deadline.saturating_sub(started.elapsed());
    let _ = timeout(rest, drain.until_empty()).await;
    let (closed_idle, aborted) = (drain.closed_idle.len(), drain.left());
    state.kill.cancel();
    limiter.close();
    let stopped = timeout(TASK_GRACE, limiter.tasks().wait()).await.is_ok();
    state
        .readiness
        .not_ready(Component::Lifecycle, ReadyReason::Stopped);
    let report = DrainReport {
        finished: drain.open.saturating_sub(closed_idle + aborted),
        closed_idle,
        aborted,
        took: started.elapsed(),
    };
    tracing::info!(
        target: "ron_transport",
        transport = limiter.name(),
        event = "shutdown",
        open = drain.open,
        drained = report.finished + report.closed_idle,
        finished = report.finished,
        closed_idle = report.closed_idle,
        aborted = report.aborted,
        tasks_left = if stopped { 0 } else { limiter.tasks().running() },
        duration_ms = u64::try_from(report.took.as_millis()).unwrap_or(u64::MAX),
    );
    report
}

/// Waits until no connection is open and no handler runs.
pub(crate) async fn wait_empty(limiter: &Limiter) {
    while !is_empty(limiter) {
        sleep(POLL_INTERVAL).await;
    }
}

/// Returns whether no connection is open and no handler runs.
///
/// An ended stream that its handler still holds does not count. A lingering close counts, since
/// its last bytes may be in flight.
fn is_empty(limiter: &Limiter) -> bool {
    let held = limiter.connections();
    let over = held.iter().all(has_ended);
    let running = limiter.tasks().running();
    over && limiter.pending() == 0 && limiter.lingering() == 0 && running <= held.len()
}

fn has_ended(control: &Control) -> bool {
    control.is_ended() || control.is_over()
}

/// The connections that a drain has to account for.
struct Drain<'a> {
    limiter: &'a Limiter,
    /// Connections and handshakes at the start.
    open: usize,
    /// Numbers of the connections at the start. Later connections were pending handshakes then, or
    /// have been dialed since.
    ids: HashSet<u64>,
    /// Counted connections that the drain has ended in order.
    closed_idle: HashSet<u64>,
    /// Connections that were idle at the last look, with their last activity. A process that was
    /// stopped finds connections idle whose bytes are still in their sockets, or whose wait for
    /// tokens has just ended.
    idle_before: HashMap<u64, Instant>,
}

impl<'a> Drain<'a> {
    fn new(limiter: &'a Limiter) -> Self {
        let conns = limiter.connections();
        let ids: HashSet<u64> = conns
            .iter()
            .filter(|control| !has_ended(control))
            .map(Control::id)
            .collect();
        let idle = conns.iter();
        let idle = idle.filter_map(|control| Some((control.id(), control.idle_since()?)));
        Self {
            limiter,
            open: ids.len() + limiter.pending(),
            ids,
            closed_idle: HashSet::new(),
            idle_before: idle.collect(),
        }
    }

    /// Adds connections that were taken from the backlog while the listener closed.
    fn add_late(&mut self) {
        let conns = self.limiter.connections();
        let open = conns
            .iter()
            .filter(|control| !has_ended(control) && self.counts(control));
        let open: HashSet<u64> = open.map(Control::id).collect();
        let gone = self.ids.difference(&open).count();
        self.open = self.open.max(gone + open.len() + self.limiter.pending());
    }

    fn counts(&self, control: &Control) -> bool {
        control.is_accepted() || self.ids.contains(&control.id())
    }

    /// Ends idle connections in order.
    ///
    /// Such a connection is idle at two looks, and in between.
    /// Runs until the transport is empty.
    async fn until_empty(&mut self) {
        if !self.idle_before.is_empty() {
            // The reactor polls the sockets, and the peers of a resumed machine go on.
            sleep(POLL_INTERVAL).await;
        }
        loop {
            let idle_before = std::mem::take(&mut self.idle_before);
            for (nth, control) in self.limiter.connections().into_iter().enumerate() {
                if nth % CONNS_PER_TURN == CONNS_PER_TURN - 1 {
                    yield_now().await;
                }
                let is_drained = control.is_drained();
                let idle_since = control.idle_since().filter(|_| !is_drained);
                if let Some(since) = idle_since {
                    if idle_before.get(&control.id()) != Some(&since) {
                        // Judged after the reactor has polled its socket once more.
                        self.idle_before.insert(control.id(), since);
                        continue;
                    }
                }
                // The other leg of a relay ends with the first one, perhaps before its turn here.
                let is_closed = is_drained || idle_since.is_some() && control.close_if_idle();
                if is_closed && self.counts(&control) {
                    self.closed_idle.insert(control.id());
                }
            }
            if is_empty(self.limiter) {
                return;
            }
            let next_look = Instant::now() + POLL_INTERVAL;
            sleep_until(next_look).await;
            if next_look.elapsed() >= POLL_INTERVAL {
                // The process was stopped: the reactor polls the sockets first.
                sleep(POLL_INTERVAL).await;
            }
        }
    }

    /// Returns the number of connections and handshakes that have not ended.
    fn left(&self) -> usize {
        let conns = self.limiter.connections();
        let open = conns
            .iter()
            .filter(|control| !has_ended(control) && self.counts(control));
        open.count() + self.limiter.pending()
    }
}
