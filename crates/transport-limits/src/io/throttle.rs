//! Pacing: tokens are taken from connection, peer and global before an operation, what was not
//! used goes back at once, and an operation that finds too few parks until they should be there.
//!
//! Nothing is held while parked: neither tokens nor a place in a queue. So a peer that sends
//! nothing, or an operation that is given up, takes nothing from those who have something to do.

use std::io;
use std::task::{Context, Poll};

use transport_core::{Direction, Reason, Scope, TransportError};

use crate::bucket::{Rate, TokenGrant};
use crate::clock::scatter;
use crate::clock::{duration, SECOND};
use crate::conn_state::ConnState;
use crate::shared_bucket::SharedBucket;

use super::half::StreamHalf;

/// A wait is for this part of a second's tokens (20 ms): the wake-up and the system calls of a
/// smaller piece cost more than its bytes.
const WAITS_PER_SEC: u64 = 50;
/// The least that an operation waits for, where it wants as much.
const MIN_GRANT: u64 = 4 << 10;
/// Attempts fall on common ticks, so that one wake-up of a thread serves several connections.
const TICK: u64 = SECOND / 250;
/// Operations that wait for the same tokens spread their next attempts over at most this long:
/// half of the shortest burst, so that no tokens are lost meanwhile.
const MAX_SPREAD: u64 = SECOND / 8;

/// The tokens of one operation, by scope; `None` where the rate is off.
#[derive(Debug)]
#[must_use]
pub(super) struct ScopeGrants([Option<TokenGrant>; 3]);

impl ScopeGrants {
    const NONE: Self = Self([None; 3]);

    /// How many bytes the operation may move.
    pub(super) fn limit(&self, want: usize) -> usize {
        let least = self.0.iter().flatten().map(TokenGrant::tokens).min();
        least.map_or(want, |least| {
            want.min(usize::try_from(least).unwrap_or(usize::MAX))
        })
    }

    fn give_back(self, conn: &ConnState, direction: Direction, used: usize) {
        for (scope, grant) in Scope::RATES.into_iter().zip(self.0) {
            if let (Some(grant), Some(shared)) = (grant, conn.shared_bucket(scope, direction)) {
                shared.bucket.settle(grant, used as u64);
            }
        }
    }
}

/// An operation that waits for tokens of one scope.
#[derive(Debug)]
struct ThrottledOp {
    scope: Scope,
    since: u64,
    retry_at: u64,
    generation: u64,
}

/// A scope that had too few tokens.
struct Shortage {
    scope: Scope,
    rate: Rate,
    /// How many the operation waits for.
    tokens: u64,
    /// Ticks until they should be there.
    wait: u64,
}

#[derive(Debug)]
pub(super) struct Throttler {
    parked: Option<ThrottledOp>,
    /// Waits that are over, by scope, in ticks; whether they held back any byte is not known yet.
    waited: [u64; 3],
    /// How often this operation has parked.
    waits: u32,
}

impl Throttler {
    pub(super) const fn new() -> Self {
        Self {
            parked: None,
            waited: [0; 3],
            waits: 0,
        }
    }

    /// Accounts for waits that held bytes back.
    fn charge(&mut self, conn: &ConnState, direction: Direction) {
        for (scope, ticks) in Scope::RATES
            .into_iter()
            .zip(std::mem::take(&mut self.waited))
        {
            if ticks == 0 {
                continue;
            }
            let parked = duration(ticks);
            conn.limiter.observer().throttled(scope, direction, parked);
            if conn.first_throttle() {
                let error = TransportError::RateLimited { scope };
                conn.reject(Reason::RateLimited, &error);
            }
        }
    }

    /// The connection is gone: it waits no longer.
    pub(super) fn abandon(&mut self, conn: &ConnState, direction: Direction) {
        self.unpark(conn, direction);
        self.charge(conn, direction);
    }

    /// Waits no longer.
    fn unpark(&mut self, conn: &ConnState, direction: Direction) {
        let Some(parked) = self.parked.take() else {
            return;
        };
        if let Some(shared) = conn.shared_bucket(parked.scope, direction) {
            shared.leave();
        }
        let ticks = conn.limiter.now().saturating_sub(parked.since);
        conn.unpark(direction, ticks);
        self.waited[parked.scope as usize] += ticks;
    }
}

impl StreamHalf {
    /// Takes tokens for up to `want` bytes, or parks.
    pub(super) fn poll_take(
        &mut self,
        conn: &ConnState,
        cx: &mut Context<'_>,
        mut now: u64,
        want: usize,
    ) -> Poll<io::Result<ScopeGrants>> {
        let rates = conn.limiter.rates();
        let off = |scope| rates.per_sec(scope, self.direction) == 0;
        if self.throttler.parked.is_none() && Scope::RATES.into_iter().all(off) {
            return Poll::Ready(Ok(ScopeGrants::NONE));
        }
        loop {
            // Read before the rates are: a change in between is then seen below.
            let generation = rates.generation();
            let due = self.throttler.parked.as_ref().map_or(true, |parked| {
                parked.generation != generation || parked.retry_at <= now
            });
            if due {
                match self.try_take(conn, now, want) {
                    Ok(grants) => {
                        self.throttler.unpark(conn, self.direction);
                        return Poll::Ready(Ok(grants));
                    }
                    Err(short) => self.park(conn, &short, generation),
                }
            }
            match self.pend_parked(conn, cx) {
                Poll::Ready(Ok(())) => now = conn.limiter.now(),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Ends an operation that moved `used` bytes: unused tokens go back, and what it waited is
    /// accounted for. A read that found nothing had nothing held back.
    pub(super) fn settle(&mut self, conn: &ConnState, grants: ScopeGrants, used: usize) {
        grants.give_back(conn, self.direction, used);
        self.throttler.waits = 0;
        if used == 0 && self.direction == Direction::In {
            self.throttler.waited = [0; 3];
        } else {
            self.throttler.charge(conn, self.direction);
        }
    }

    /// Takes from every scope in turn; where one is short the earlier ones get theirs back.
    ///
    /// Every wait of the operation divides what it asks for by four, down to [`MIN_GRANT`]:
    /// otherwise smaller operations beside it could keep the rest from it indefinitely.
    fn try_take(&self, conn: &ConnState, now: u64, want: usize) -> Result<ScopeGrants, Shortage> {
        let (limiter, direction) = (&conn.limiter, self.direction);
        let chunk = limiter.rates().chunk().min(conn.settings.chunk as u64);
        let mut want = (want as u64).min(chunk);
        let mut taken = ScopeGrants::NONE;
        for (at, scope) in Scope::RATES.into_iter().enumerate() {
            let Some(shared) = conn.shared_bucket(scope, direction) else {
                continue;
            };
            let Some(rate) = limiter.rates().rate(scope, direction) else {
                continue;
            };
            let whole = portion(rate, shared.waiting(), want);
            let least =
                whole.min((whole >> self.throttler.waits.saturating_mul(2).min(16)).max(MIN_GRANT));
            match shared.bucket.take(now, rate, want, least) {
                Ok(grant) => {
                    want = grant.tokens();
                    taken.0[at] = Some(grant);
                }
                Err(wait) => {
                    taken.give_back(conn, direction, 0);
                    return Err(Shortage {
                        scope,
                        rate,
                        tokens: least,
                        wait,
                    });
                }
            }
        }
        Ok(taken)
    }

    /// Waits from now on. No deadline is judged here: an open connection keeps its deadlines
    /// from before a reload, and the rate that is in force may be slower than they allow for.
    fn park(&mut self, conn: &ConnState, short: &Shortage, generation: u64) {
        let Shortage { scope, rate, .. } = *short;
        let now = conn.limiter.now();
        self.throttler.unpark(conn, self.direction);
        let others = conn
            .shared_bucket(scope, self.direction)
            .map_or(0, SharedBucket::enter);
        let price = rate.price(short.tokens);
        let spread = price.saturating_mul(others).min(MAX_SPREAD);
        // How long the tokens may stay once they are there, until the bucket overflows.
        let slack = rate.burst().saturating_sub(price);
        // At least a microsecond, so that a rounding cannot make it a busy loop.
        let wait = short.wait.max(SECOND / 1_000_000)
            + (spread / 2).min(slack)
            + scatter(conn.id, now, spread);
        let mut retry_at = now.saturating_add(wait);
        if wait > 2 * TICK && slack > TICK {
            retry_at = retry_at.next_multiple_of(TICK);
        }
        conn.park(self.direction, scope, retry_at);
        self.throttler.waits = self.throttler.waits.saturating_add(1);
        self.throttler.parked = Some(ThrottledOp {
            scope,
            since: now,
            retry_at,
            generation,
        });
    }

    /// Waits until the next attempt is due (`Ok`); found by a cancel and by a change of the
    /// rates, ended by the lifetime alone.
    fn pend_parked(
        &mut self,
        conn: &ConnState,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), TransportError>> {
        let Some(parked) = &self.throttler.parked else {
            return Poll::Ready(Ok(()));
        };
        let (retry_at, generation) = (parked.retry_at, parked.generation);
        self.hand_on(conn);
        conn.register(self.direction, cx.waker());
        // Looked at again after registering: a cancel or other rates in between would be missed.
        if let Some(error) = conn.end() {
            return Poll::Ready(Err(error));
        }
        if conn.limiter.rates().generation() != generation {
            return Poll::Ready(Ok(()));
        }
        loop {
            let now = conn.limiter.now();
            let (end, op) = conn.end_of_relay();
            if end <= now {
                return Poll::Ready(Err(conn.expire(op)));
            }
            if retry_at <= now {
                return Poll::Ready(Ok(()));
            }
            let deadline = retry_at.min(end);
            if self.timer.poll(&conn.limiter, deadline, cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

/// How many of the tokens it wants an operation waits for, beside so many others: 20 ms worth of
/// its share of the rate, and all of them rather than a small rest. Never more than the burst.
fn portion(rate: Rate, others: u64, want: u64) -> u64 {
    let share = rate.per_sec() / WAITS_PER_SEC / (others + 1);
    let portion = share.max(MIN_GRANT);
    if want < 2 * portion {
        want
    } else {
        portion
    }
}
