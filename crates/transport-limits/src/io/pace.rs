//! Pacing: tokens are taken from connection, peer and global before an operation, what was not
//! used goes back at once, and an operation that finds too few parks until they should be there.
//!
//! Nothing is held while parked: neither tokens nor a place in a queue. So a peer that sends
//! nothing, or an operation that is given up, takes nothing from those who have something to do.

use std::io;
use std::task::{Context, Poll};

use transport_core::{Direction, Reason, Scope, TransportError};

use crate::bucket::{Grant, Rate};
use crate::clock::{duration, SECOND};
use crate::lane::Lane;
use crate::shared::Shared;

use super::Half;

/// An operation parks with less than this to be had, or than it wants: smaller pieces would cost
/// more in wake-ups than they move.
const MIN_GRANT: u64 = 4 << 10;
/// Those who wait for the same tokens spread their next attempts over at most this long: half of
/// the shortest burst, so that no tokens are lost meanwhile.
const MAX_SPREAD: u64 = SECOND / 8;

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

    fn give_back(self, shared: &Shared, direction: Direction, used: usize) {
        for (scope, grant) in Scope::RATES.into_iter().zip(self.0) {
            if let (Some(grant), Some(lane)) = (grant, shared.lane(scope, direction)) {
                lane.bucket.settle(grant, used as u64);
            }
        }
    }
}

/// An operation that waits for tokens of one scope.
#[derive(Debug)]
struct Parked {
    scope: Scope,
    since: u64,
    retry_at: u64,
    generation: u64,
}

/// A scope that had too few tokens.
struct Short {
    scope: Scope,
    rate: Rate,
    tokens: u64,
    wait: u64,
}

#[derive(Debug)]
pub(super) struct Pacer {
    parked: Option<Parked>,
    /// Waits that are over, by scope, in ticks; whether they held back any byte is not known yet.
    waited: [u64; 3],
}

impl Pacer {
    pub(super) const fn new() -> Self {
        Self {
            parked: None,
            waited: [0; 3],
        }
    }

    /// How long this operation was parked, once that is over, in ticks.
    pub(super) fn waited(&self) -> u64 {
        self.waited.iter().sum()
    }

    /// Accounts for waits that held bytes back.
    fn charge(&mut self, shared: &Shared, direction: Direction) {
        for (scope, ticks) in Scope::RATES
            .into_iter()
            .zip(std::mem::take(&mut self.waited))
        {
            if ticks == 0 {
                continue;
            }
            let parked = duration(ticks);
            shared
                .limiter
                .observer()
                .throttled(scope, direction, parked);
            if shared.first_throttle() {
                let error = TransportError::RateLimited { scope };
                shared.reject(Reason::RateLimited, &error);
            }
        }
    }

    /// The connection is gone: it waits no longer.
    pub(super) fn abandon(&mut self, shared: &Shared, direction: Direction) {
        self.unpark(shared, direction);
        self.charge(shared, direction);
    }

    /// Waits no longer.
    fn unpark(&mut self, shared: &Shared, direction: Direction) {
        let Some(parked) = self.parked.take() else {
            return;
        };
        if let Some(lane) = shared.lane(parked.scope, direction) {
            lane.leave();
        }
        let ticks = shared.limiter.now().saturating_sub(parked.since);
        shared.unpark(direction, ticks);
        self.waited[parked.scope as usize] += ticks;
    }
}

impl Half {
    /// Takes tokens for up to `want` bytes, or parks.
    pub(super) fn poll_take(
        &mut self,
        shared: &Shared,
        cx: &mut Context<'_>,
        mut now: u64,
        want: usize,
    ) -> Poll<io::Result<Grants>> {
        let rates = shared.limiter.rates();
        let off = |scope| rates.per_sec(scope, self.direction) == 0;
        if self.pacer.parked.is_none() && Scope::RATES.into_iter().all(off) {
            return Poll::Ready(Ok(Grants::NONE));
        }
        loop {
            // Read before the rates are: a change in between is then seen below.
            let generation = rates.generation();
            let due = self.pacer.parked.as_ref().map_or(true, |parked| {
                parked.generation != generation || parked.retry_at <= now
            });
            if due {
                match self.try_take(shared, now, want) {
                    Ok(grants) => {
                        self.pacer.unpark(shared, self.direction);
                        return Poll::Ready(Ok(grants));
                    }
                    Err(short) => self.park(shared, &short, generation)?,
                }
            }
            match self.pend_parked(shared, cx) {
                Poll::Ready(Ok(())) => now = shared.limiter.now(),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Ends an operation that moved `used` bytes: unused tokens go back, and what it waited is
    /// accounted for. A read that found nothing had nothing held back.
    pub(super) fn settle(&mut self, shared: &Shared, grants: Grants, used: usize) {
        grants.give_back(shared, self.direction, used);
        if used == 0 && self.direction == Direction::In {
            self.pacer.waited = [0; 3];
        } else {
            self.pacer.charge(shared, self.direction);
        }
    }

    /// Takes from every scope in turn; where one is short the earlier ones get theirs back.
    fn try_take(&self, shared: &Shared, now: u64, want: usize) -> Result<Grants, Short> {
        let (limiter, direction) = (&shared.limiter, self.direction);
        let chunk = shared.settings.chunk as u64;
        let mut want = (want as u64).min(chunk);
        let mut taken = Grants::NONE;
        for (at, scope) in Scope::RATES.into_iter().enumerate() {
            let Some(lane) = shared.lane(scope, direction) else {
                continue;
            };
            let Some(rate) = limiter.rates().rate(scope, direction, chunk) else {
                continue;
            };
            let tokens = want.min(MIN_GRANT);
            match lane.bucket.take(now, rate, want, tokens) {
                Ok(grant) => {
                    want = grant.tokens();
                    taken.0[at] = Some(grant);
                }
                Err(wait) => {
                    taken.give_back(shared, direction, 0);
                    return Err(Short {
                        scope,
                        rate,
                        tokens,
                        wait,
                    });
                }
            }
        }
        Ok(taken)
    }

    /// Waits from now on, or refuses where the wait, reckoned as if alone, is too long.
    fn park(&mut self, shared: &Shared, short: &Short, generation: u64) -> io::Result<()> {
        let Short { scope, rate, .. } = *short;
        let price = rate.price(short.tokens);
        let deadline = match self.direction {
            Direction::In => shared.settings.read,
            Direction::Out => shared.settings.write,
        };
        if price > deadline {
            self.pacer.abandon(shared, self.direction);
            let error = TransportError::RateLimited { scope };
            shared.reject(Reason::RateLimited, &error);
            return Err(error.into());
        }
        let now = shared.limiter.now();
        self.pacer.unpark(shared, self.direction);
        let others = shared.lane(scope, self.direction).map_or(0, Lane::enter);
        let spread = price.saturating_mul(others).min(MAX_SPREAD);
        // At least a microsecond, so that a rounding cannot make it a busy loop.
        let wait = short.wait.max(SECOND / 1_000_000) + scatter(shared.id, now, spread);
        let retry_at = now.saturating_add(wait);
        shared.park(self.direction, scope, retry_at);
        self.pacer.parked = Some(Parked {
            scope,
            since: now,
            retry_at,
            generation,
        });
        Ok(())
    }

    /// Waits until the next attempt is due (`Ok`); found by a cancel and by a change of the
    /// rates, ended by the lifetime alone.
    fn pend_parked(
        &mut self,
        shared: &Shared,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), TransportError>> {
        let Some(parked) = &self.pacer.parked else {
            return Poll::Ready(Ok(()));
        };
        let (retry_at, generation) = (parked.retry_at, parked.generation);
        self.hand_on(shared);
        shared.register(self.direction, cx.waker());
        // Looked at again after registering: a cancel or other rates in between would be missed.
        if let Some(error) = shared.end() {
            return Poll::Ready(Err(error));
        }
        if shared.limiter.rates().generation() != generation {
            return Poll::Ready(Ok(()));
        }
        loop {
            let now = shared.limiter.now();
            let (end, op) = shared.end_of_life();
            if end <= now {
                shared.end_with(&TransportError::Timeout { op });
                return Poll::Ready(Err(TransportError::Timeout { op }));
            }
            if retry_at <= now {
                return Poll::Ready(Ok(()));
            }
            let deadline = retry_at.min(end);
            if self.timer.poll(&shared.limiter, deadline, cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

/// A tick below `spread`, different for each connection and moment (the finalizer of SplitMix64).
fn scatter(id: u64, now: u64, spread: u64) -> u64 {
    let mut z = id.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ now;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) % spread.max(1)
}
