//! One direction of a guarded stream: byte counts and waits.

use std::io;
use std::task::{ready, Context, Poll};

use transport_core::{Direction, Op, TransportError};

use super::op_sampler::is_sampled;
use super::throttle::{ScopeGrants, Throttler};
use super::timer::Timer;
use crate::clock::duration;
use crate::conn_state::ConnState;

/// Byte counts are reported from this size on. They are also reported when an operation pends.
const REPORT_BYTES: u32 = 256 << 10;

/// State of one direction that only the stream's owner accesses.
#[derive(Debug)]
pub(super) struct StreamHalf {
    pub(super) timer: Timer,
    throttler: Throttler,
    /// Bytes counted and not yet reported to the observer.
    delta: u32,
    direction: Direction,
}

impl StreamHalf {
    pub(super) fn new(direction: Direction) -> Self {
        Self {
            timer: Timer::new(),
            throttler: Throttler::default(),
            delta: 0,
            direction,
        }
    }

    /// Returns whether an operation needs no tokens.
    #[inline]
    pub(super) fn is_unlimited(&self, conn: &ConnState) -> bool {
        self.throttler.is_off(conn, self.direction)
    }

    /// Takes tokens for up to `want` bytes, or parks.
    pub(super) fn poll_take(
        &mut self,
        conn: &ConnState,
        cx: &mut Context<'_>,
        want: usize,
    ) -> Poll<io::Result<ScopeGrants>> {
        loop {
            let now = conn.core.now();
            if let Some(grants) = self.throttler.attempt(conn, self.direction, now, want) {
                return Poll::Ready(Ok(grants));
            }
            ready!(self.pend_parked(conn, cx))?;
        }
    }

    /// Ends an operation that moved `used` bytes.
    pub(super) fn settle(&mut self, conn: &ConnState, grants: ScopeGrants, used: usize) {
        self.throttler.settle(conn, self.direction, grants, used);
    }

    /// Counts moved bytes.
    #[inline]
    pub(super) fn moved(&mut self, conn: &ConnState, bytes: usize, now: u64) {
        conn.moved(self.direction, bytes as u64, now);
        if is_sampled() {
            conn.core
                .observer()
                .io_size(conn.backend(), self.direction, bytes);
        }
        let delta = u64::from(self.delta) + bytes as u64;
        match u32::try_from(delta) {
            Ok(small) if small < REPORT_BYTES => self.delta = small,
            _ => {
                self.delta = 0;
                self.report_bytes(conn, delta);
            }
        }
    }

    /// Reports counted bytes to the observer.
    pub(super) fn report(&mut self, conn: &ConnState) {
        if self.delta != 0 {
            let delta = std::mem::take(&mut self.delta);
            self.report_bytes(conn, delta.into());
        }
    }

    fn report_bytes(&self, conn: &ConnState, bytes: u64) {
        let observer = conn.core.observer();
        observer.bytes(conn.backend(), self.direction, bytes);
    }

    /// Ends the half of a closed stream.
    pub(super) fn close(&mut self, conn: &ConnState) {
        self.throttler.abandon(conn, self.direction);
        self.report(conn);
    }

    /// Registers a pending operation, and arms its timer for the nearest deadline.
    ///
    /// That is `own`, the deadline of the operation, or one of the connection's. Ready with the
    /// error once a deadline has passed.
    pub(super) fn pend(
        &mut self,
        conn: &ConnState,
        cx: &mut Context<'_>,
        own: Option<(u64, Op)>,
    ) -> Poll<TransportError> {
        self.report(conn);
        conn.register(self.direction, cx.waker());
        // Checked again after registering: a cancel in between would be missed.
        if let Some(error) = conn.end() {
            return Poll::Ready(error);
        }
        // An armed timer or a watcher evaluates the deadlines in time, so this needs no clock.
        let next = earliest(own, conn.end_of_life()).0;
        let is_watched = own.is_none() && next >= conn.watched_until();
        if is_watched || self.timer.poll_armed(&conn.core, next, cx) {
            self.timer.end_turn();
            return Poll::Pending;
        }
        loop {
            let now = conn.core.now();
            // The clocks of the other leg cost more to read, and can only extend the deadline.
            let mut next = earliest(own, conn.end_of_life());
            if next.0 <= now {
                next = earliest(own, conn.end_of_relay());
            }
            if next.0 <= now {
                ready!(self.timer.poll_turn(cx, duration(now - next.0)));
                return Poll::Ready(conn.expire(next.1));
            }
            self.timer.end_turn();
            // A watcher evaluates later deadlines of the connection in time.
            let wake_at = match own {
                _ if next.0 < conn.watched_until() => next.0,
                Some((own, _)) => own,
                None => return Poll::Pending,
            };
            ready!(self.timer.poll(&conn.core, wake_at, cx));
        }
    }

    /// Waits until the next attempt of a parked operation is due.
    ///
    /// A cancel or a change of the rates wakes it. Only the connection's own deadlines apply.
    fn pend_parked(&mut self, conn: &ConnState, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.report(conn);
        conn.register(self.direction, cx.waker());
        // Checked again after registering: a cancel or other rates in between would be missed.
        if let Some(error) = conn.end() {
            return Poll::Ready(Err(error.into()));
        }
        loop {
            let now = conn.core.now();
            let Some(retry_at) = self.throttler.retry_at(conn) else {
                return Poll::Ready(Ok(()));
            };
            let (end, op) = conn.end_of_relay();
            if end <= now {
                return Poll::Ready(Err(conn.expire(op).into()));
            }
            if retry_at <= now {
                return Poll::Ready(Ok(()));
            }
            ready!(self.timer.poll(&conn.core, retry_at.min(end), cx));
        }
    }
}

fn earliest(own: Option<(u64, Op)>, conn: (u64, Op)) -> (u64, Op) {
    match own {
        Some(own) if own.0 <= conn.0 => own,
        _ => conn,
    }
}
