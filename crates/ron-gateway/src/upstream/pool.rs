//! The targets of a listener, shared by its connections.

#[cfg(test)]
mod tests;

use std::collections::hash_map::RandomState;
use std::future::Future;
use std::hash::BuildHasher;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ron_transport::{Endpoint, TransportError};
use tokio::sync::Notify;
use tokio::time::{sleep_until, timeout, Duration, Instant};

use super::table::{ChangeKind, Selection, TargetAttempt, TargetChange, UpstreamTable};
use crate::logging::TARGET;

/// The targets of a listener, shared by its connections.
#[derive(Debug)]
pub(crate) struct UpstreamPool {
    table: Mutex<UpstreamTable>,
    started: Instant,
    /// Notified when a target begins or ends a rest.
    changed: Notify,
}

/// A target, as the admin endpoint shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TargetStatus {
    /// The address as logs show it.
    pub(crate) target: String,
    /// Whether connections may dial it; a resting target is `false`.
    pub(crate) is_available: bool,
}

impl UpstreamPool {
    /// Creates a pool whose targets are all available.
    pub(crate) fn new(targets: Vec<Endpoint>) -> Self {
        // Each process draws its own rests.
        Self::with_seed(targets, RandomState::new().hash_one(0))
    }

    fn with_seed(targets: Vec<Endpoint>, seed: u64) -> Self {
        Self {
            table: Mutex::new(UpstreamTable::new(targets, seed)),
            started: Instant::now(),
            changed: Notify::new(),
        }
    }

    /// Replaces the targets; those that stay keep their state.
    pub(crate) fn replace(&self, targets: Vec<Endpoint>) {
        self.table().replace(targets);
        self.changed.notify_one();
    }

    /// Returns each target in the order of the configuration.
    pub(crate) fn status(&self) -> Vec<TargetStatus> {
        let table = self.table();
        let states = table.states(self.now());
        let status = |(endpoint, is_available): (&Endpoint, bool)| TargetStatus {
            target: endpoint.loggable(),
            is_available,
        };
        states.map(status).collect()
    }

    /// Dials targets in turn until one answers, and returns its connection.
    ///
    /// `within` is the time for all of them. Targets that are left to try share it, so that a
    /// silent one leaves time for the next.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the dial, which counts for no target.
    pub(crate) async fn dial<C, F>(
        &self,
        within: Duration,
        dial: impl Fn(Arc<Endpoint>) -> F,
    ) -> Result<(C, Arc<Endpoint>), TransportError>
    where
        F: Future<Output = Result<C, TransportError>>,
    {
        let mut now = Instant::now();
        let deadline = now + within;
        let mut selection = self.table().select();
        let mut last = None;
        loop {
            let is_first = selection.is_new();
            let left = deadline.saturating_duration_since(now);
            let Some(mut running) = self
                .begin(&mut selection, now)
                .filter(|_| is_first || !left.is_zero())
            else {
                return Err(last.unwrap_or_else(no_target));
            };
            let endpoint = Arc::clone(&running.attempt.endpoint);
            let dialing = dial(Arc::clone(&endpoint));
            let sharers = running.attempt.sharers;
            // The dial has a deadline of its own, which is counted as such.
            let has_all_time = is_first && sharers == 1;
            let result = if has_all_time {
                dialing.await
            } else {
                match timeout(left / sharers.max(1), dialing).await {
                    Ok(result) => result,
                    Err(_) => Err(silent(&endpoint)),
                }
            };
            match result {
                Ok(conn) => {
                    running.answered();
                    return Ok((conn, endpoint));
                }
                Err(error) => match FailedPart::of(&error) {
                    FailedPart::Target => {
                        running.failed(&error);
                        last = Some(error);
                    }
                    FailedPart::None => last = Some(error),
                    FailedPart::Process => return Err(error),
                },
            }
            now = Instant::now();
        }
    }

    /// Reports whether all targets rest: now, and whenever that changes. Runs indefinitely.
    pub(crate) async fn watch(&self, report: impl Fn(bool)) {
        let mut reported = false;
        loop {
            let (all_rest, end) = {
                let (table, now) = (self.table(), self.now());
                (table.all_rest(now), table.next_end(now))
            };
            if all_rest != reported {
                reported = all_rest;
                report(all_rest);
            }
            match end {
                Some(end) => tokio::select! {
                    () = sleep_until(self.started + end) => {}
                    () = self.changed.notified() => {}
                },
                None => self.changed.notified().await,
            }
        }
    }

    fn begin(&self, selection: &mut Selection, now: Instant) -> Option<RunningAttempt<'_>> {
        let since = now.saturating_duration_since(self.started);
        let attempt = self.table().begin(selection, since)?;
        Some(RunningAttempt {
            pool: self,
            attempt,
            has_ended: false,
        })
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Locks the table; no code panics while it holds the lock.
    fn table(&self) -> MutexGuard<'_, UpstreamTable> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A dial in progress. Without a result it ends as abandoned.
struct RunningAttempt<'a> {
    pool: &'a UpstreamPool,
    attempt: TargetAttempt,
    has_ended: bool,
}

impl RunningAttempt<'_> {
    fn answered(&mut self) {
        self.has_ended = true;
        if self.pool.table().answered_again(&self.attempt) {
            return;
        }
        let now = self.pool.now();
        let (change, was_down) = {
            let mut table = self.pool.table();
            let was_down = table.all_rest(now);
            (table.answered(&self.attempt, now), was_down)
        };
        if was_down {
            self.pool.changed.notify_one();
        }
        self.report(change, None);
    }

    fn failed(&mut self, error: &TransportError) {
        self.has_ended = true;
        let change = self.pool.table().failed(&self.attempt, self.pool.now());
        self.pool.changed.notify_one();
        self.report(change, Some(error));
    }

    fn report(&self, change: Option<TargetChange>, error: Option<&TransportError>) {
        let Some(change) = change else {
            return;
        };
        let target = self.attempt.endpoint.loggable();
        match change.kind {
            ChangeKind::Rests(rest) => tracing::warn!(
                target: TARGET,
                event = "upstream",
                target_index = change.index,
                upstream = target,
                rest_ms = u64::try_from(rest.as_millis()).unwrap_or(u64::MAX),
                not_logged = change.left_out,
                error = error.map(tracing::field::display),
                "the upstream target failed and rests",
            ),
            ChangeKind::Answers => tracing::info!(
                target: TARGET,
                event = "upstream",
                target_index = change.index,
                upstream = target,
                not_logged = change.left_out,
                "the upstream target answers again",
            ),
        }
    }
}

impl Drop for RunningAttempt<'_> {
    fn drop(&mut self) {
        if !self.has_ended {
            self.pool.table().abandoned(&self.attempt);
        }
    }
}

/// The cause of a failed dial.
enum FailedPart {
    /// The target failed, and rests.
    Target,
    /// The dial failed on this host, perhaps for this target only.
    None,
    /// No target can be dialed now.
    Process,
}

impl FailedPart {
    fn of(error: &TransportError) -> Self {
        /// Linux: ENFILE, EMFILE, ENOMEM, ENOBUFS.
        const SHORTAGES: [i32; 4] = [23, 24, 12, 105];
        match error {
            TransportError::Cancelled
            | TransportError::Config { .. }
            | TransportError::State { .. }
            | TransportError::Unsupported { .. } => Self::Process,
            TransportError::ArtiBootstrap => Self::None,
            TransportError::Connect { source, .. }
            | TransportError::Resolve { source, .. }
            | TransportError::Io(source) => {
                let number = source.raw_os_error();
                if number.is_some_and(|number| SHORTAGES.contains(&number)) {
                    Self::Process
                } else if source.kind() == io::ErrorKind::AddrNotAvailable {
                    // No free local port towards this target.
                    Self::None
                } else {
                    Self::Target
                }
            }
            _ => Self::Target,
        }
    }
}

fn silent(endpoint: &Endpoint) -> TransportError {
    TransportError::Connect {
        target: endpoint.loggable(),
        source: io::ErrorKind::TimedOut.into(),
    }
}

fn no_target() -> TransportError {
    TransportError::Config {
        source: "forward_to has no target".into(),
    }
}
