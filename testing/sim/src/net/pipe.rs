//! One direction of a simulated connection.

use std::collections::VecDeque;
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use crate::rng::SimRng;
use crate::script::Wire;

/// Bytes, an end of stream and a reset, with their arrivals.
#[derive(Debug)]
pub(super) struct PipeState {
    pub(super) wire: Wire,
    pub(super) rng: SimRng,
    segments: VecDeque<(Instant, VecDeque<u8>)>,
    held: usize,
    last_arrival: Option<Instant>,
    stalled_until: Option<Instant>,
    pub(super) fin: Option<Instant>,
    pub(super) reset: Option<Instant>,
    /// Whether the reading end is gone; writes fail from then on.
    pub(super) deaf: bool,
    /// Bytes that the reading end has read.
    pub(super) taken: u64,
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
    pub(super) reset_waiter: Option<Waker>,
}

/// The result of a read.
#[derive(Debug)]
pub(super) enum Found {
    Bytes(usize),
    End,
    Reset,
    /// Nothing before this moment; `None` is not known yet.
    Nothing(Option<Instant>),
}

impl PipeState {
    pub(super) fn new(wire: Wire, rng: SimRng) -> Self {
        Self {
            wire,
            rng,
            segments: VecDeque::new(),
            held: 0,
            last_arrival: None,
            stalled_until: None,
            fin: None,
            reset: None,
            deaf: false,
            taken: 0,
            reader: None,
            writer: None,
            reset_waiter: None,
        }
    }

    /// Returns when something that is sent now arrives. The order is kept.
    fn arrival(&mut self, now: Instant) -> Instant {
        let jitter = match self.wire.jitter_ms {
            0 => 0,
            most => self.rng.range(0, most),
        };
        let mut at = now + Duration::from_millis(self.wire.delay_ms + jitter);
        for later in [self.last_arrival, self.stalled_until]
            .into_iter()
            .flatten()
        {
            at = at.max(later);
        }
        self.last_arrival = Some(at);
        at
    }

    /// Delivers nothing for a while.
    pub(super) fn stall(&mut self, until: Instant) {
        self.stalled_until = Some(self.stalled_until.map_or(until, |at| at.max(until)));
    }

    pub(super) fn room(&self) -> usize {
        self.wire.cap.saturating_sub(self.held)
    }

    /// Accepts a part of `bytes`; returns its length.
    pub(super) fn send(&mut self, now: Instant, bytes: &[u8]) -> usize {
        let mut len = bytes.len().min(self.room());
        if self.wire.piece != 0 && len > 1 {
            len = len.min(self.rng.size(1, self.wire.piece));
        }
        if len != 0 {
            let at = self.arrival(now);
            self.held += len;
            self.segments
                .push_back((at, bytes[..len].iter().copied().collect()));
        }
        len
    }

    pub(super) fn end(&mut self, now: Instant) {
        if self.fin.is_none() && self.reset.is_none() {
            self.fin = Some(self.arrival(now));
        }
    }

    pub(super) fn reset(&mut self, now: Instant) {
        if self.reset.is_none() {
            self.reset = Some(self.arrival(now));
        }
    }

    /// Returns whether bytes wait that the reader has not read.
    pub(super) fn has_unread(&self) -> bool {
        self.held != 0
    }

    /// Returns whether all bytes have arrived.
    pub(super) fn has_arrived(&self, now: Instant) -> bool {
        self.segments.back().map_or(true, |(at, _)| *at <= now)
    }

    /// Reads arrived bytes into `buf`.
    pub(super) fn receive(&mut self, now: Instant, buf: &mut tokio::io::ReadBuf<'_>) -> Found {
        if let Some(until) = self.stalled_until.filter(|until| *until > now) {
            return Found::Nothing(Some(until));
        }
        let mut room = buf.remaining();
        if self.wire.piece != 0 && room > 1 {
            room = room.min(self.rng.size(1, self.wire.piece));
        }
        let mut got = 0;
        while let Some((at, bytes)) = self.segments.front_mut() {
            if *at > now || got == room {
                break;
            }
            let (first, _) = bytes.as_slices();
            let len = first.len().min(room - got);
            buf.put_slice(&first[..len]);
            bytes.drain(..len);
            got += len;
            if bytes.is_empty() {
                self.segments.pop_front();
            }
        }
        if got != 0 {
            self.held -= got;
            self.taken += got as u64;
            return Found::Bytes(got);
        }
        if let Some((at, _)) = self.segments.front() {
            return Found::Nothing(Some(*at));
        }
        match (self.reset, self.fin) {
            (Some(at), _) if at <= now => Found::Reset,
            (_, Some(at)) if at <= now => Found::End,
            (Some(at), _) | (None, Some(at)) => Found::Nothing(Some(at)),
            (None, None) => Found::Nothing(None),
        }
    }
}
