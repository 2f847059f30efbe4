//! Shutting down gently and in bounded time.

use std::collections::HashSet;
use std::future::Future;
use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::{sleep, timeout, Instant};
use transport_core::ReadyReason;
use transport_limits::{Control, Limiter};

use crate::readiness::Part;
use crate::transport::Shared;

/// How often a drain looks for connections that have become idle.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Connections that a drain looks at before it lets other tasks run: it closes those that are idle.
const TURN: usize = 64;
/// How long tasks of cancelled connections have to end.
const AFTERMATH: Duration = Duration::from_millis(200);

/// How a shutdown went: each connection that was open at its start is in one of three numbers.
///
/// Accepted and dialed connections count alike, pending handshakes as accepted ones. A connection
/// with a request in flight is never in `closed_idle`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct DrainReport {
    /// Connections that their peers or handlers ended.
    pub finished: usize,
    /// Connections that were ended in order because they were idle.
    pub closed_idle: usize,
    /// Connections that were aborted at the deadline.
    pub aborted: usize,
    /// How long it took.
    pub took: Duration,
}

/// Ends accepting.
pub(crate) fn stop_accepting(shared: &Shared) {
    shared
        .readiness
        .not_ready(Part::Lifecycle, ReadyReason::Draining);
    shared.stop.cancel();
}

/// Ends accepting, announces the drain to handlers, and drains once the listener is closed.
pub(crate) async fn run(
    shared: &Shared,
    closing: impl Future<Output = ()>,
    deadline: Duration,
) -> DrainReport {
    let started = Instant::now();
    let limiter = &shared.limiter;
    // Before the announcement: handlers on other threads may end their connections at once.
    let mut drain = Drain::new(limiter);
    stop_accepting(shared);
    limiter.begin_drain();
    closing.await;
    limiter.drain();
    drain.add_late();
    let _ = timeout(deadline, drain.until_empty()).await;
    let (closed_idle, aborted) = (drain.closed_idle.len(), drain.left());
    shared.kill.cancel();
    limiter.close();
    let stopped = timeout(AFTERMATH, limiter.tasks().wait()).await.is_ok();
    shared
        .readiness
        .not_ready(Part::Lifecycle, ReadyReason::Stopped);
    let report = DrainReport {
        finished: drain.open.saturating_sub(closed_idle + aborted),
        closed_idle,
        aborted,
        took: started.elapsed(),
    };
    tracing::info!(
        target: "ron_transport",
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
        sleep(LOOK_EVERY).await;
    }
}

/// A stream that has ended and is still held by its handler counts for nothing; a lingering close
/// counts, since the last bytes may still be on their way.
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
    /// Numbers of the connections at the start. Later ones are handshakes of the start, or were
    /// dialed since.
    ids: HashSet<u64>,
    /// Connections of the two above that the drain has ended in order.
    closed_idle: HashSet<u64>,
}

impl<'a> Drain<'a> {
    fn new(limiter: &'a Limiter) -> Self {
        let conns = limiter.connections();
        let ids: HashSet<u64> = conns
            .iter()
            .filter(|control| !has_ended(control))
            .map(Control::id)
            .collect();
        Self {
            limiter,
            open: ids.len() + limiter.pending(),
            ids,
            closed_idle: HashSet::new(),
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

    /// Ends connections in order as they become idle, until none is left and no handler runs.
    async fn until_empty(&mut self) {
        loop {
            for (nth, control) in self.limiter.connections().into_iter().enumerate() {
                if nth % TURN == TURN - 1 {
                    yield_now().await;
                }
                // A relay ends its other leg as this one, perhaps before it is looked at.
                if (control.close_if_idle() || control.is_drained()) && self.counts(&control) {
                    self.closed_idle.insert(control.id());
                }
            }
            if is_empty(self.limiter) {
                return;
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Connections and handshakes that are not at their end.
    fn left(&self) -> usize {
        let conns = self.limiter.connections();
        let open = conns
            .iter()
            .filter(|control| !has_ended(control) && self.counts(control));
        open.count() + self.limiter.pending()
    }
}
