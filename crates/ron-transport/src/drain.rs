//! Shutting down gently and in bounded time.

use std::time::Duration;

use tokio::time::{sleep, timeout, Instant};
use transport_core::ReadyReason;
use transport_limits::Limiter;

use crate::readiness::Part;
use crate::transport::Shared;

/// How often a drain looks for connections that have become idle.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long tasks of cancelled connections have to end.
const AFTERMATH: Duration = Duration::from_millis(200);

/// How a shutdown went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct DrainReport {
    /// Connections, handshakes among them, that ended by themselves or were idle and closed.
    pub drained: usize,
    /// Connections, handshakes among them, that were cut at the deadline.
    pub aborted: usize,
    /// How long it took.
    pub took: Duration,
}

/// Nothing new from here on, but for what is just being accepted.
pub(crate) fn begin(shared: &Shared) {
    shared
        .readiness
        .not_ready(Part::Lifecycle, ReadyReason::Draining);
    shared.stop.cancel();
}

pub(crate) async fn run(shared: &Shared, deadline: Duration) -> DrainReport {
    let started = Instant::now();
    let limiter = &shared.limiter;
    let open = limiter.open() + limiter.pending();
    let _ = timeout(deadline, until_empty(limiter)).await;
    let aborted = limiter.open() + limiter.pending();
    shared.kill.cancel();
    limiter.close();
    let stopped = timeout(AFTERMATH, limiter.tasks().wait()).await.is_ok();
    shared
        .readiness
        .not_ready(Part::Lifecycle, ReadyReason::Stopped);
    let report = DrainReport {
        drained: open.saturating_sub(aborted),
        aborted,
        took: started.elapsed(),
    };
    tracing::info!(
        target: "ron_transport",
        event = "shutdown",
        drained = report.drained,
        aborted = report.aborted,
        tasks_left = if stopped { 0 } else { limiter.tasks().running() },
        duration_ms = u64::try_from(report.took.as_millis()).unwrap_or(u64::MAX),
    );
    report
}

/// Closes connections as they become idle, until none is left and no handler runs.
async fn until_empty(limiter: &Limiter) {
    // What the kernel has handed over at the moment of the stop is served, not refused.
    sleep(LOOK_EVERY).await;
    limiter.drain();
    loop {
        let open = limiter.connections();
        for control in open.iter().filter(|control| control.is_idle()) {
            control.cancel();
        }
        if open.is_empty() && limiter.tasks().running() == 0 {
            return;
        }
        sleep(LOOK_EVERY).await;
    }
}
