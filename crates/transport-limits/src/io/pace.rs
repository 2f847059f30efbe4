//! Pacing: tokens are taken from connection, peer and global before an operation, what was not
//! used goes back at once, and an operation that finds too few parks in line.

use std::io;
use std::task::{Context, Poll};

use transport_core::{Direction, Reason, Scope, TransportError};

use crate::bucket::{Bucket, Grant};
use crate::clock::duration;
use crate::shared::Shared;

use super::Half;

/// An operation parks with less than this to be had, or than it wants: smaller pieces would cost
/// more in wake-ups than they move.
const MIN_GRANT: u64 = 4 << 10;

/// The tokens of one operation, by scope; `None` where the rate is off.
#[derive(Debug)]
#[must_use]
pub(super) struct Grants([Option<Grant>; 3]);

impl Grants {
    const NONE: Self = Self([None; 3]);

    /// How many bytes the operation may move.
    pub(super) fn limit(&self, want: usize) -> usize {
        let least = self.0.iter().flatten().map(Grant::tokens).min();
        least.map_or(want, |least| {
            want.min(usize::try_from(least).unwrap_or(usize::MAX))
        })
    }

    /// Gives back what was not used.
    pub(super) fn settle(self, shared: &Shared, direction: Direction, used: usize) {
        for (scope, grant) in Scope::ALL.into_iter().zip(self.0) {
            if let (Some(grant), Some(bucket)) = (grant, bucket(shared, scope, direction)) {
                bucket.settle(grant, used as u64);
            }
        }
    }
}

fn bucket(shared: &Shared, scope: Scope, direction: Direction) -> Option<&Bucket> {
    match scope {
        Scope::Conn => Some(&shared.buckets[direction as usize]),
        Scope::Peer => shared
            .peer
            .as_ref()
            .map(|peer| &peer.buckets[direction as usize]),
        Scope::Global => Some(shared.limiter.global(direction)),
    }
}

/// A place in line for the tokens of one scope.
#[derive(Debug)]
struct Parked {
    scope: Scope,
    since: u64,
    grant: Grant,
    ready_at: u64,
    generation: u64,
}

#[derive(Debug)]
pub(super) struct Pacer {
    parked: Option<Parked>,
    /// Ticks spent in line that no clock has been told of yet.
    waited: u64,
}

impl Pacer {
    pub(super) const fn new() -> Self {
        Self {
            parked: None,
            waited: 0,
        }
    }

    /// The ticks spent in line since this was last asked.
    pub(super) fn take_waited(&mut self) -> u64 {
        std::mem::take(&mut self.waited)
    }

    /// Leaves the line, giving the place back.
    pub(super) fn release(&mut self, shared: &Shared, direction: Direction) {
        if let Some(parked) = self.parked.take() {
            if let Some(bucket) = bucket(shared, parked.scope, direction) {
                bucket.settle(parked.grant, 0);
            }
            self.waited += unpark(shared, direction, parked.scope, parked.since);
        }
    }
}

/// Accounts for the time that an operation was parked, and returns it.
fn unpark(shared: &Shared, direction: Direction, scope: Scope, since: u64) -> u64 {
    let waited = shared.limiter.now().saturating_sub(since);
    shared.set_parked(direction, false);
    shared.shift_clocks(direction, waited);
    shared
        .limiter
        .observer()
        .throttled(scope, direction, duration(waited));
    waited
}

impl Half {
    /// Takes tokens for up to `want` bytes, or parks.
    pub(super) fn poll_take(
        &mut self,
        shared: &Shared,
        cx: &mut Context<'_>,
        want: usize,
    ) -> Poll<io::Result<Grants>> {
        let rates = shared.limiter.rates();
        let off = |scope| rates.per_sec(scope, self.direction) == 0;
        if self.pacer.parked.is_none() && Scope::ALL.into_iter().all(off) {
            return Poll::Ready(Ok(Grants::NONE));
        }
        loop {
            let held = match self.leave_line(shared) {
                Poll::Ready(held) => held,
                Poll::Pending => {
                    return match self.pend_parked(shared, cx) {
                        Poll::Ready(error) => Poll::Ready(Err(error.into())),
                        Poll::Pending => Poll::Pending,
                    }
                }
            };
            match self.try_take(shared, want, held) {
                Ok(grants) => return Poll::Ready(Ok(grants)),
                Err(Some(error)) => return Poll::Ready(Err(error.into())),
                Err(None) => {}
            }
        }
    }

    /// The tokens that waiting in line has earned, if the wait is over.
    fn leave_line(&mut self, shared: &Shared) -> Poll<Option<(Scope, Grant)>> {
        let Some(parked) = &self.pacer.parked else {
            return Poll::Ready(None);
        };
        if parked.generation != shared.limiter.rates().generation() {
            self.pacer.release(shared, self.direction);
            return Poll::Ready(None);
        }
        if shared.limiter.now() < parked.ready_at {
            return Poll::Pending;
        }
        let earned = (parked.scope, parked.grant);
        self.pacer.waited += unpark(shared, self.direction, parked.scope, parked.since);
        self.pacer.parked = None;
        Poll::Ready(Some(earned))
    }

    /// Waits in line: found by a cancel and by a change of the rates, ended by the lifetime alone.
    fn pend_parked(&mut self, shared: &Shared, cx: &mut Context<'_>) -> Poll<TransportError> {
        let Some(parked) = &self.pacer.parked else {
            return Poll::Pending;
        };
        let (ready_at, generation) = (parked.ready_at, parked.generation);
        self.hand_on(shared);
        shared.register(self.direction, cx.waker());
        // Looked at again after registering: a cancel in between would be missed.
        if let Some(error) = shared.end() {
            return Poll::Ready(error);
        }
        // So would a change of the rates in between.
        if shared.limiter.rates().generation() != generation {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        loop {
            let now = shared.limiter.now();
            let (end, op) = shared.end_of_life(now);
            if end <= now {
                shared.end_with(&TransportError::Timeout { op });
                return Poll::Ready(TransportError::Timeout { op });
            }
            if ready_at <= now {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if self
                .timer
                .poll(&shared.limiter, ready_at.min(end), cx)
                .is_pending()
            {
                return Poll::Pending;
            }
        }
    }

    /// Takes from every scope in turn. `Err(None)`: one was short, and the operation stands in
    /// line there now.
    fn try_take(
        &mut self,
        shared: &Shared,
        want: usize,
        mut held: Option<(Scope, Grant)>,
    ) -> Result<Grants, Option<TransportError>> {
        let (limiter, direction) = (&shared.limiter, self.direction);
        let chunk = shared.settings.chunk as u64;
        let mut want = (want as u64).min(chunk);
        let mut taken = Grants::NONE;
        for (at, scope) in Scope::ALL.into_iter().enumerate() {
            let Some(bucket) = bucket(shared, scope, direction) else {
                continue;
            };
            let Some(rate) = limiter.rates().rate(scope, direction, chunk) else {
                continue;
            };
            let now = limiter.now();
            let min = want.min(MIN_GRANT);
            let mine = held
                .take_if(|(held, _)| *held == scope)
                .map(|(_, grant)| grant);
            let grant = match mine {
                Some(grant) => {
                    let more = want.saturating_sub(grant.tokens());
                    match bucket.take(now, rate, more, 0) {
                        Ok(extra) => grant.merge(extra),
                        Err(_) => grant,
                    }
                }
                None => match bucket.take(now, rate, want, min) {
                    Ok(grant) => grant,
                    Err(_) => {
                        taken.settle(shared, direction, 0);
                        give_back(shared, direction, held);
                        return Err(self.stand_in_line(shared, scope, min).err());
                    }
                },
            };
            want = want.min(grant.tokens());
            taken.0[at] = Some(grant);
        }
        give_back(shared, direction, held);
        Ok(taken)
    }

    fn stand_in_line(
        &mut self,
        shared: &Shared,
        scope: Scope,
        tokens: u64,
    ) -> Result<(), TransportError> {
        let (limiter, direction) = (&shared.limiter, self.direction);
        let chunk = shared.settings.chunk as u64;
        let generation = limiter.rates().generation();
        let rate = limiter.rates().rate(scope, direction, chunk);
        let (Some(rate), Some(bucket)) = (rate, bucket(shared, scope, direction)) else {
            return Ok(());
        };
        let deadline = match direction {
            Direction::In => shared.settings.read,
            Direction::Out => shared.settings.write,
        };
        if rate.price(tokens) > deadline {
            let error = TransportError::RateLimited { scope };
            shared.reject(Reason::RateLimited, &error);
            return Err(error);
        }
        if shared.first_throttle() {
            shared.reject(Reason::RateLimited, &TransportError::RateLimited { scope });
        }
        let since = limiter.now();
        let (grant, ready_at) = bucket.reserve(since, rate, tokens);
        shared.set_parked(direction, true);
        self.pacer.parked = Some(Parked {
            scope,
            since,
            grant,
            ready_at,
            generation,
        });
        Ok(())
    }
}

fn give_back(shared: &Shared, direction: Direction, held: Option<(Scope, Grant)>) {
    if let Some((scope, grant)) = held {
        if let Some(bucket) = bucket(shared, scope, direction) {
            bucket.settle(grant, 0);
        }
    }
}
