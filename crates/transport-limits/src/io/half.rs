//! One direction of a guarded stream: byte counts, and the deadlines of a pending operation.

use std::task::{ready, Context, Poll};

use transport_core::{Direction, Op, TransportError};

use super::grace::Grace;
use super::throttle::Throttler;
use super::timer::Timer;
use crate::clock::duration;
use crate::conn_state::ConnState;

/// A byte-count delta is handed to the observer when it reaches this many bytes, and whenever
/// an operation pends.
const HAND_ON_BYTES: u64 = 256 << 10;
/// One operation in this many has its size sampled.
const SAMPLE_EVERY: u32 = 64;

/// One direction's private state: what no other task needs to see.
#[derive(Debug)]
pub(super) struct StreamHalf {
    pub(super) direction: Direction,
    pub(super) timer: Timer,
    pub(super) throttler: Throttler,
    grace: Grace,
    /// Bytes counted and not yet handed to the observer.
    delta: u64,
    ops: u32,
}

impl StreamHalf {
    pub(super) fn new(direction: Direction) -> Self {
        Self {
            direction,
            timer: Timer::new(),
            throttler: Throttler::new(),
            grace: Grace::default(),
            delta: 0,
            ops: 0,
        }
    }

    /// Counts bytes that moved.
    pub(super) fn moved(&mut self, conn: &ConnState, bytes: usize, now: u64) {
        conn.moved(self.direction, bytes as u64, now);
        if self.ops % SAMPLE_EVERY == 0 {
            conn.limiter
                .observer()
                .io_size(conn.backend, self.direction, bytes);
        }
        self.ops = self.ops.wrapping_add(1);
        self.delta += bytes as u64;
        if self.delta >= HAND_ON_BYTES {
            self.hand_on(conn);
        }
    }

    pub(super) fn hand_on(&mut self, conn: &ConnState) {
        if self.delta != 0 {
            let delta = std::mem::take(&mut self.delta);
            conn.limiter
                .observer()
                .bytes(conn.backend, self.direction, delta);
        }
    }

    /// Makes a pending operation visible to a cancel, and wakes it at the nearest of its own
    /// deadline and those of the connection. Ready with the error once one has passed.
    pub(super) fn pend(
        &mut self,
        conn: &ConnState,
        cx: &mut Context<'_>,
        mut now: u64,
        own: Option<(u64, Op)>,
    ) -> Poll<TransportError> {
        self.hand_on(conn);
        conn.register(self.direction, cx.waker());
        // Looked at again after registering: a cancel in between would be missed.
        if let Some(error) = conn.end() {
            return Poll::Ready(error);
        }
        loop {
            // The clocks of this leg first: those of the other one are looked up only when these
            // have run out.
            let mut next = earliest(own, conn.end_of_life());
            if next.0 <= now {
                next = earliest(own, conn.end_of_relay());
            }
            if next.0 <= now {
                ready!(self.grace.poll(cx, duration(now - next.0)));
                return Poll::Ready(conn.expire(next.1));
            }
            self.grace.reset();
            ready!(self.timer.poll(&conn.limiter, next.0, cx));
            now = conn.limiter.now();
        }
    }
}

fn earliest(own: Option<(u64, Op)>, life: (u64, Op)) -> (u64, Op) {
    match own {
        Some(own) if own.0 <= life.0 => own,
        _ => life,
    }
}
