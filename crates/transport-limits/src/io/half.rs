//! One direction of a guarded stream: byte counts, and the deadlines of a pending operation.

use std::task::{ready, Context, Poll};

use transport_core::{Direction, Op, TransportError};

use super::grace::Grace;
use super::throttle::Pacer;
use super::timer::Timer;
use crate::clock::duration;
use crate::conn_state::Shared;

/// A byte-count delta is handed to the observer when it reaches this many bytes, and whenever
/// an operation pends.
const HAND_ON_BYTES: u64 = 256 << 10;
/// One operation in this many has its size sampled.
const SAMPLE_EVERY: u32 = 64;

/// One direction's private state: what no other task needs to see.
#[derive(Debug)]
pub(super) struct Half {
    pub(super) direction: Direction,
    pub(super) timer: Timer,
    pub(super) pacer: Pacer,
    grace: Grace,
    /// Bytes counted and not yet handed to the observer.
    delta: u64,
    ops: u32,
}

impl Half {
    pub(super) fn new(direction: Direction) -> Self {
        Self {
            direction,
            timer: Timer::new(),
            pacer: Pacer::new(),
            grace: Grace::default(),
            delta: 0,
            ops: 0,
        }
    }

    /// Counts bytes that moved.
    pub(super) fn moved(&mut self, shared: &Shared, bytes: usize, now: u64) {
        shared.moved(self.direction, bytes as u64, now);
        if self.ops % SAMPLE_EVERY == 0 {
            shared
                .limiter
                .observer()
                .io_size(shared.backend, self.direction, bytes);
        }
        self.ops = self.ops.wrapping_add(1);
        self.delta += bytes as u64;
        if self.delta >= HAND_ON_BYTES {
            self.hand_on(shared);
        }
    }

    pub(super) fn hand_on(&mut self, shared: &Shared) {
        if self.delta != 0 {
            let delta = std::mem::take(&mut self.delta);
            shared
                .limiter
                .observer()
                .bytes(shared.backend, self.direction, delta);
        }
    }

    /// Makes a pending operation visible to a cancel, and wakes it at the nearest of its own
    /// deadline and those of the connection. Ready with the error once one has passed.
    pub(super) fn pend(
        &mut self,
        shared: &Shared,
        cx: &mut Context<'_>,
        mut now: u64,
        own: Option<(u64, Op)>,
    ) -> Poll<TransportError> {
        self.hand_on(shared);
        shared.register(self.direction, cx.waker());
        // Looked at again after registering: a cancel in between would be missed.
        if let Some(error) = shared.end() {
            return Poll::Ready(error);
        }
        loop {
            // The clocks of this leg first: those of the other one are looked up only when these
            // have run out.
            let mut next = earliest(own, shared.end_of_life());
            if next.0 <= now {
                next = earliest(own, shared.end_of_relay());
            }
            if next.0 <= now {
                ready!(self.grace.poll(cx, duration(now - next.0)));
                return Poll::Ready(shared.expire(next.1));
            }
            self.grace.reset();
            ready!(self.timer.poll(&shared.limiter, next.0, cx));
            now = shared.limiter.now();
        }
    }
}

fn earliest(own: Option<(u64, Op)>, life: (u64, Op)) -> (u64, Op) {
    match own {
        Some(own) if own.0 <= life.0 => own,
        _ => life,
    }
}
