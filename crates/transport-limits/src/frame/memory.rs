//! The memory of a partial frame: a free chunk, or a charge.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{ready, Context, Poll};
use std::time::Duration;

use tokio::time::{sleep, Instant, Sleep};
use transport_core::{Direction, Scope, TransportError};

use crate::budget::{FreeChunk, MemoryHold, PendingCharge};
use crate::clock::{duration, ticks};
use crate::control::Control;

/// Frames over a chunk are charged once this many bytes have arrived.
///
/// So a length alone charges nothing, and a parked read holds few bytes.
const FIRST: usize = 4 << 10;
/// The clocks stand still for this long at a time. So a dropped read is not parked for longer.
const SLICE: Duration = Duration::from_secs(1);

/// The memory of a connection's partial frame.
#[derive(Debug, Default)]
pub(super) struct FrameMemory {
    spare: FreeChunk,
    hold: MemoryHold,
    bytes: usize,
    parked: Option<ParkedRead>,
    /// Cloned into every frame returned to the handler.
    out: Arc<()>,
}

impl FrameMemory {
    /// Waits until more than `have` bytes may be held; returns how many.
    ///
    /// `goal` is the number of bytes needed in the end.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        control: &Control,
        have: usize,
        goal: usize,
    ) -> Poll<Result<usize, TransportError>> {
        if self
            .parked
            .as_ref()
            .is_some_and(|parked| parked.goal != goal)
        {
            self.parked = None;
        }
        if self.parked.is_none() {
            self.use_spare(control, goal);
            if have >= self.bytes && have < goal {
                self.ask(control, goal);
            }
        }
        if let Some(parked) = &mut self.parked {
            let hold = ready!(parked.poll(cx))?;
            self.parked = None;
            self.granted(hold, goal);
        }
        Poll::Ready(Ok(self.bytes))
    }

    /// Returns whether a read waits for memory.
    pub(super) const fn is_parked(&self) -> bool {
        self.parked.is_some()
    }

    /// Takes the hold of the bytes that are returned to the handler.
    pub(super) fn take(&mut self) -> MemoryHold {
        self.bytes = 0;
        let mut hold = std::mem::take(&mut self.hold);
        hold.out = Some(Arc::clone(&self.out));
        hold
    }

    /// Takes the free chunk, or more of it for a larger goal.
    fn use_spare(&mut self, control: &Control, goal: usize) {
        let (settings, budget) = (&control.0.settings, control.0.core.budget());
        let bytes = if goal <= settings.chunk { goal } else { FIRST };
        if self.bytes == 0 {
            if let Some(spare) = self.spare.take(budget, bytes) {
                self.hold = spare.into();
                self.bytes = bytes;
            }
        } else if self.hold.spare.is_some() && bytes > self.bytes {
            self.hold.counted = Some(budget.count(bytes - self.bytes));
            self.bytes = bytes;
        }
    }

    /// Charges the bytes of the goal beyond an earlier charge, or parks.
    fn ask(&mut self, control: &Control, goal: usize) {
        let conn = &control.0;
        let charged = if self.hold.charge.is_some() {
            self.bytes
        } else {
            0
        };
        let (budget, more) = (conn.core.budget(), goal - charged);
        match budget.take(conn.account(), more) {
            Some(charge) => self.granted(charge.into(), goal),
            None => {
                let wait = budget.wait(conn.account(), more);
                self.parked = Some(ParkedRead::new(control, wait, goal, Arc::clone(&self.out)));
            }
        }
    }

    fn granted(&mut self, more: MemoryHold, goal: usize) {
        match (&mut self.hold.charge, more.charge) {
            (Some(charge), Some(more)) => charge.merge(more),
            // Gives the free chunk back.
            (None, charge) => {
                self.hold = MemoryHold {
                    charge,
                    ..MemoryHold::default()
                }
            }
            (Some(_), None) => {}
        }
        self.bytes = goal;
    }
}

/// A read that waits for memory.
///
/// The clocks of the connection stand still, unless its handler keeps earlier frames. Then the idle
/// timeout runs, so that handlers that keep frames and wait for more cannot deadlock.
#[derive(Debug)]
struct ParkedRead {
    control: Control,
    wait: PendingCharge,
    goal: usize,
    out: Arc<()>,
    slice: Pin<Box<Sleep>>,
    /// The tick up to which the wait was reported.
    reported: u64,
    /// Until when the clocks stand still, if they do.
    until: Option<u64>,
    /// How long they have stood still.
    stood: u64,
}

impl ParkedRead {
    fn new(control: &Control, wait: PendingCharge, goal: usize, out: Arc<()>) -> Self {
        let mut parked = Self {
            control: control.clone(),
            wait,
            goal,
            out,
            slice: Box::pin(sleep(SLICE)),
            reported: control.0.core.now(),
            until: None,
            stood: 0,
        };
        parked.park();
        parked
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<MemoryHold, TransportError>> {
        self.control.0.register(Direction::In, cx.waker());
        // Checked after registering: an end in between would be missed.
        if let Some(error) = self.control.0.end() {
            return Poll::Ready(Err(error));
        }
        if let Poll::Ready(charge) = Pin::new(&mut self.wait).poll(cx) {
            return Poll::Ready(Ok(charge.into()));
        }
        while self.slice.as_mut().poll(cx).is_ready() {
            self.report();
            self.park();
            self.slice.as_mut().reset(Instant::now() + SLICE);
        }
        Poll::Pending
    }

    /// Stops the clocks for a slice. It adds one more in case the timer is late.
    fn park(&mut self) {
        // Two clones belong to the frame memory and to this read.
        let keeps = Arc::strong_count(&self.out) > 2;
        self.until = (!keeps).then(|| self.reported.saturating_add(2 * ticks(SLICE)));
        let until = self.until.unwrap_or(0);
        self.control.0.park(Direction::In, Scope::Memory, until);
    }

    /// Reports the wait since the last report.
    fn report(&mut self) {
        let conn = &self.control.0;
        let now = conn.core.now();
        let waited = now.saturating_sub(self.reported);
        if let Some(until) = self.until {
            self.stood += now.min(until).saturating_sub(self.reported);
        }
        self.reported = now;
        let observer = conn.core.observer();
        observer.throttled(Scope::Memory, Direction::In, duration(waited));
    }
}

impl Drop for ParkedRead {
    fn drop(&mut self) {
        self.report();
        self.control.0.unpark(Direction::In, self.stood);
    }
}
