//! Which target is tried next, and which one rests.
//!
//! All times are since an arbitrary start that the caller passes in.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use ron_transport::Endpoint;

use super::backoff::Backoff;

/// Shortest interval between two log lines of one kind about one target.
const LOG_EVERY: Duration = Duration::from_secs(1);

/// The targets of a listener, in the order of the configuration.
#[derive(Debug)]
pub(super) struct UpstreamTable {
    targets: Vec<UpstreamTarget>,
    /// Identifies targets across reloads.
    next_id: u64,
    /// Counts selections; the start of each rotates by it.
    selections: usize,
    backoff: Backoff,
}

#[derive(Debug)]
struct UpstreamTarget {
    id: u64,
    endpoint: Arc<Endpoint>,
    /// Failures in a row, with concurrent ones counted once.
    failures: u32,
    /// When the last failure was recorded.
    failed_at: Option<Duration>,
    /// The end of the rest.
    rests_until: Duration,
    /// The first attempt after a rest is in progress.
    ///
    /// Other connections avoid the target meanwhile.
    on_trial: bool,
    /// The last log time of each kind of change, and later changes.
    logged: [(Option<Duration>, u64); 2],
}

/// The targets that one connection has tried.
#[derive(Debug)]
pub(super) struct Selection {
    start: usize,
    last: Option<usize>,
    tried: Vec<u64>,
}

impl Selection {
    /// Returns whether no target was tried yet.
    pub(super) fn is_new(&self) -> bool {
        self.tried.is_empty()
    }
}

/// One dial of a target.
#[derive(Debug, Clone)]
pub(super) struct TargetAttempt {
    id: u64,
    pub(super) endpoint: Arc<Endpoint>,
    /// Targets that share the remaining time of the connection, this one included.
    pub(super) sharers: u32,
    begun: Duration,
    /// The first attempt after a rest.
    is_trial: bool,
}

/// A change of a target that an operator reads about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TargetChange {
    pub(super) index: usize,
    pub(super) kind: ChangeKind,
    /// Earlier changes of this kind that were not logged.
    pub(super) left_out: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChangeKind {
    /// The target failed, and rests for this long.
    Rests(Duration),
    /// The target answers again.
    Answers,
}

impl UpstreamTarget {
    fn new(id: u64, endpoint: Endpoint) -> Self {
        Self {
            id,
            endpoint: Arc::new(endpoint),
            failures: 0,
            failed_at: None,
            rests_until: Duration::ZERO,
            on_trial: false,
            logged: [(None, 0); 2],
        }
    }

    fn rests(&self, now: Duration) -> bool {
        self.failures > 0 && now < self.rests_until
    }

    /// Returns a change to log.
    ///
    /// `None` if one of its kind was logged shortly before.
    fn change(&mut self, index: usize, kind: ChangeKind, now: Duration) -> Option<TargetChange> {
        let slot = usize::from(kind == ChangeKind::Answers);
        let (last, left_out) = &mut self.logged[slot];
        if last.is_some_and(|last| now.saturating_sub(last) < LOG_EVERY) {
            *left_out += 1;
            return None;
        }
        *last = Some(now);
        Some(TargetChange {
            index,
            kind,
            left_out: std::mem::take(left_out),
        })
    }
}

impl UpstreamTable {
    pub(super) fn new(targets: Vec<Endpoint>, seed: u64) -> Self {
        let mut table = Self {
            targets: Vec::new(),
            next_id: 0,
            selections: 0,
            backoff: Backoff::new(seed),
        };
        table.replace(targets);
        table
    }

    /// Replaces the targets; those that stay keep their state.
    pub(super) fn replace(&mut self, targets: Vec<Endpoint>) {
        let mut old = std::mem::take(&mut self.targets);
        for endpoint in targets {
            let known = old.iter().position(|known| *known.endpoint == endpoint);
            let target = match known {
                Some(at) => old.swap_remove(at),
                None => {
                    self.next_id += 1;
                    UpstreamTarget::new(self.next_id, endpoint)
                }
            };
            self.targets.push(target);
        }
    }

    /// Starts the selection for one connection. The first target rotates.
    pub(super) fn select(&mut self) -> Selection {
        let start = self.selections;
        self.selections = self.selections.wrapping_add(1);
        Selection {
            start,
            last: None,
            tried: Vec::new(),
        }
    }

    /// Returns the next target to dial; `None` once all were tried.
    ///
    /// Available targets come first, in turn. Then come those that rest or are on trial, the one
    /// with the oldest failure first: a dial that may fail is better than a certain refusal.
    pub(super) fn begin(
        &mut self,
        selection: &mut Selection,
        now: Duration,
    ) -> Option<TargetAttempt> {
        let untried =
            |(_, target): &(usize, &UpstreamTarget)| !selection.tried.contains(&target.id);
        let is_available =
            |(_, target): &(usize, &UpstreamTarget)| !target.rests(now) && !target.on_trial;
        let targets = self.targets.iter().enumerate().filter(untried);
        let mut available = targets.clone().filter(is_available).map(|(at, _)| at);
        let (at, sharers) = match (available.clone().count(), selection.last) {
            (0, _) => {
                let count = targets.clone().count();
                let (oldest, _) = targets.min_by_key(|(_, target)| target.failed_at)?;
                (oldest, count)
            }
            (count, None) => (available.nth(selection.start % count)?, count),
            (count, Some(last)) => {
                let after = available.clone().find(|at| *at > last);
                (after.or_else(|| available.next())?, count)
            }
        };
        let target = &mut self.targets[at];
        let is_trial = target.failures > 0 && !target.rests(now) && !target.on_trial;
        target.on_trial |= is_trial;
        selection.last = Some(at);
        selection.tried.push(target.id);
        Some(TargetAttempt {
            id: target.id,
            endpoint: Arc::clone(&target.endpoint),
            sharers: u32::try_from(sharers).unwrap_or(u32::MAX),
            begun: now,
            is_trial,
        })
    }

    /// Records that a target without failures answered.
    ///
    /// Returns `false` and records nothing if the target has failed. It needs no clock.
    pub(super) fn answered_again(&mut self, attempt: &TargetAttempt) -> bool {
        let mut targets = self.targets.iter();
        let has_failed = |target: &UpstreamTarget| target.id == attempt.id && target.failures > 0;
        !targets.any(has_failed) && {
            self.end(attempt);
            true
        }
    }

    /// Records that the target answered.
    pub(super) fn answered(
        &mut self,
        attempt: &TargetAttempt,
        now: Duration,
    ) -> Option<TargetChange> {
        let (index, target) = self.end(attempt)?;
        let had_failed = target.failures > 0;
        target.failures = 0;
        had_failed
            .then(|| target.change(index, ChangeKind::Answers, now))
            .flatten()
    }

    /// Records that the target failed, and lets it rest.
    ///
    /// Attempts that ran at the same time count once. A failure during a rest does not extend it.
    pub(super) fn failed(
        &mut self,
        attempt: &TargetAttempt,
        now: Duration,
    ) -> Option<TargetChange> {
        let (index, target) = self.end(attempt)?;
        let is_known = target.failures > 0 && target.failed_at.is_some_and(|at| at > attempt.begun);
        target.failed_at = Some(now);
        if target.rests(now) || is_known {
            return None;
        }
        target.failures = target.failures.saturating_add(1);
        let failures = target.failures;
        let rest = self.backoff.rest(failures);
        let target = &mut self.targets[index];
        target.rests_until = now + rest;
        target.change(index, ChangeKind::Rests(rest), now)
    }

    /// Records that an attempt ended without a result.
    pub(super) fn abandoned(&mut self, attempt: &TargetAttempt) {
        self.end(attempt);
    }

    /// Returns whether targets exist and all rest.
    pub(super) fn all_rest(&self, now: Duration) -> bool {
        !self.targets.is_empty() && self.targets.iter().all(|target| target.rests(now))
    }

    /// Returns when the first rest ends, if any target rests.
    pub(super) fn next_end(&self, now: Duration) -> Option<Duration> {
        let resting = self.targets.iter().filter(|target| target.rests(now));
        resting.map(|target| target.rests_until).min()
    }

    /// Returns each target, and whether it may be dialed.
    pub(super) fn states(&self, now: Duration) -> impl Iterator<Item = (&Endpoint, bool)> {
        let state = move |target: &UpstreamTarget| !target.rests(now);
        self.targets
            .iter()
            .map(move |target| (&*target.endpoint, state(target)))
    }

    /// Ends an attempt; returns its target unless a reload removed it.
    fn end(&mut self, attempt: &TargetAttempt) -> Option<(usize, &mut UpstreamTarget)> {
        let mut targets = self.targets.iter_mut().enumerate();
        let (index, target) = targets.find(|(_, target)| target.id == attempt.id)?;
        target.on_trial &= !attempt.is_trial;
        Some((index, target))
    }
}
