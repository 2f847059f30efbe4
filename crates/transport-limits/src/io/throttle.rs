//! Throttling: an operation takes tokens of every scope, or parks.
//!
//! The scopes are connection, peer and global.
//!
//! Unused tokens go back at once. An operation that finds too few tokens parks until they should
//! be available. A parked operation holds nothing, neither tokens nor a place in a queue. So a peer
//! that sends nothing and a dropped operation take no tokens from other connections.

use transport_core::{Direction, Reason, Scope, TransportError};

use crate::bucket::{Rate, TokenGrant};
use crate::clock::{duration, scatter, SECOND};
use crate::conn_state::ConnState;
use crate::shared_bucket::SharedBucket;

/// A wait is for this part of a second's tokens (20 ms).
///
/// For a smaller piece, the wake-up and the system calls cost more than its bytes.
const WAITS_PER_SEC: u64 = 50;
/// The least that an operation waits for, if it wants as much.
const MIN_GRANT: u64 = 4 << 10;
/// Attempts fall on common ticks. So one wake-up of a thread serves several connections.
const TICK: u64 = SECOND / 250;
/// Operations that wait together spread their attempts over this at most.
///
/// It is half of the shortest burst, so that the bucket does not overflow in the meantime.
const MAX_SPREAD: u64 = SECOND / 8;

/// The tokens of one operation by scope; `None` where no rate applies.
#[derive(Debug)]
#[must_use]
pub(super) struct ScopeGrants([Option<TokenGrant>; 3]);

impl ScopeGrants {
    const NONE: Self = Self([None; 3]);

    /// Returns whether no rate applied.
    fn is_none(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    /// Returns how many bytes the operation may move.
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
    /// Generation of the rates that `retry_at` was computed from.
    generation: u64,
}

/// A scope that had too few tokens.
struct Shortage {
    scope: Scope,
    rate: Rate,
    /// Tokens that the operation waits for.
    tokens: u64,
    /// Ticks until they should be available.
    wait: u64,
}

/// The throttled operation of one direction, and its waits so far.
#[derive(Debug, Default)]
pub(super) struct Throttler {
    /// `None` while no operation waits.
    waiting: Option<Box<ThrottleWait>>,
}

/// The waits of one operation.
#[derive(Debug, Default)]
struct ThrottleWait {
    parked: Option<ThrottledOp>,
    /// Ticks of unreported waits by scope. They may have held back no byte.
    waited: [u64; 3],
    /// How often this operation has parked.
    waits: u32,
}

impl Throttler {
    fn parked(&self) -> Option<&ThrottledOp> {
        self.waiting.as_ref()?.parked.as_ref()
    }

    /// Returns whether no rate applies and no operation is parked.
    #[inline]
    pub(super) fn is_off(&self, conn: &ConnState, direction: Direction) -> bool {
        conn.core.rates().are_off(direction) && self.parked().is_none()
    }

    /// Takes tokens if an attempt is due; parks after a shortage.
    pub(super) fn attempt(
        &mut self,
        conn: &ConnState,
        direction: Direction,
        now: u64,
        want: usize,
    ) -> Option<ScopeGrants> {
        // Read before the rates, so that a change in between is noticed in `retry_at`.
        let generation = conn.core.rates().generation();
        let is_early = |op: &ThrottledOp| op.generation == generation && op.retry_at > now;
        if self.parked().is_some_and(is_early) {
            return None;
        }
        match self.try_take(conn, direction, now, want) {
            Ok(grants) => {
                self.unpark(conn, direction);
                Some(grants)
            }
            Err(short) => {
                self.park(conn, direction, &short, generation);
                None
            }
        }
    }

    /// Returns when to retry, or `None` after a change of rates.
    pub(super) fn retry_at(&self, conn: &ConnState) -> Option<u64> {
        let op = self.parked()?;
        let is_current = conn.core.rates().generation() == op.generation;
        is_current.then_some(op.retry_at)
    }

    /// Gives back the unused tokens of an operation that moved `used` bytes.
    ///
    /// Its waits are reported, except for a read that found nothing: no byte was held back.
    pub(super) fn settle(
        &mut self,
        conn: &ConnState,
        direction: Direction,
        grants: ScopeGrants,
        used: usize,
    ) {
        if grants.is_none() && self.waiting.is_none() {
            return;
        }
        grants.give_back(conn, direction, used);
        if used == 0 && direction == Direction::In {
            self.waiting = None;
        } else {
            self.report_waits(conn, direction);
        }
    }

    /// Ends the wait of a closed connection.
    pub(super) fn abandon(&mut self, conn: &ConnState, direction: Direction) {
        self.unpark(conn, direction);
        self.report_waits(conn, direction);
    }

    /// Reports waits that held back bytes.
    ///
    /// The first one of a connection counts as a reject.
    fn report_waits(&mut self, conn: &ConnState, direction: Direction) {
        let Some(waiting) = self.waiting.take() else {
            return;
        };
        for (scope, ticks) in Scope::RATES.into_iter().zip(waiting.waited) {
            if ticks == 0 {
                continue;
            }
            let parked = duration(ticks);
            conn.core.observer().throttled(scope, direction, parked);
            if conn.first_throttle() {
                let error = TransportError::RateLimited { scope };
                conn.reject(Reason::RateLimited, &error);
            }
        }
    }

    /// Takes tokens of every scope in turn.
    ///
    /// A shortage returns those of the earlier scopes.
    ///
    /// Each wait of the operation divides the tokens it waits for by four, down to [`MIN_GRANT`].
    /// Otherwise smaller operations of other connections could starve it indefinitely.
    fn try_take(
        &self,
        conn: &ConnState,
        direction: Direction,
        now: u64,
        want: usize,
    ) -> Result<ScopeGrants, Shortage> {
        let rates = conn.core.rates();
        let chunk = rates.chunk().min(conn.settings.chunk as u64);
        let mut want = (want as u64).min(chunk);
        let mut taken = ScopeGrants::NONE;
        let waits = self.waiting.as_ref().map_or(0, |waiting| waiting.waits);
        for (at, scope) in Scope::RATES.into_iter().enumerate() {
            let Some(rate) = rates.rate(scope, direction) else {
                continue;
            };
            let Some(shared) = conn.shared_bucket(scope, direction) else {
                continue;
            };
            let whole = portion(rate, shared.waiting(), want);
            let least = whole.min((whole >> waits.saturating_mul(2).min(16)).max(MIN_GRANT));
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

    /// Parks the operation from now on.
    ///
    /// Read and write deadlines do not apply: an open connection keeps its deadlines from before a
    /// reload, and the current rate may be slower than they allow for.
    fn park(&mut self, conn: &ConnState, direction: Direction, short: &Shortage, generation: u64) {
        let Shortage { scope, rate, .. } = *short;
        let now = conn.core.now();
        self.unpark(conn, direction);
        let others = conn
            .shared_bucket(scope, direction)
            .map_or(0, SharedBucket::enter);
        let price = rate.price(short.tokens);
        let spread = price.saturating_mul(others).min(MAX_SPREAD);
        // How long the tokens stay available until the bucket overflows.
        let slack = rate.burst().saturating_sub(price);
        // At least a microsecond, so that rounding cannot cause a busy loop.
        let wait = short.wait.max(SECOND / 1_000_000)
            + (spread / 2).min(slack)
            + scatter(conn.id(), now, spread);
        let mut retry_at = now.saturating_add(wait);
        if wait > 2 * TICK && slack > TICK {
            retry_at = retry_at.next_multiple_of(TICK);
        }
        conn.park(direction, scope, retry_at);
        let waiting = self.waiting.get_or_insert_with(Box::default);
        waiting.waits = waiting.waits.saturating_add(1);
        waiting.parked = Some(ThrottledOp {
            scope,
            since: now,
            retry_at,
            generation,
        });
    }

    fn unpark(&mut self, conn: &ConnState, direction: Direction) {
        let Some(waiting) = &mut self.waiting else {
            return;
        };
        let Some(parked) = waiting.parked.take() else {
            return;
        };
        if let Some(shared) = conn.shared_bucket(parked.scope, direction) {
            shared.leave();
        }
        let ticks = conn.core.now().saturating_sub(parked.since);
        conn.unpark(direction, ticks);
        waiting.waited[parked.scope as usize] += ticks;
    }
}

/// Returns how many tokens an operation waits for, beside `others`.
///
/// That is 20 ms worth of its share of the rate, but all of them rather than a small rest, and never
/// more than the burst.
fn portion(rate: Rate, others: u64, want: u64) -> u64 {
    let share = rate.per_sec() / WAITS_PER_SEC / (others + 1);
    let portion = share.max(MIN_GRANT);
    if want < 2 * portion {
        want
    } else {
        portion
    }
}
