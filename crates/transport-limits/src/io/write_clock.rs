//! The clock of a write: the peer has to take a chunk within the write deadline.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;
use transport_core::Taken;

use crate::conn_settings::ConnSettings;

/// A waiting write looks at the stream this often within its deadline, so a peer that stalls is
/// ended later than the deadline by one such interval at most.
const LOOKS: u64 = 16;
/// The first look comes this much sooner.
const FIRST_LOOK: u64 = 4;
/// Bytes to which [`Io::taken`](transport_core::Io::taken) is exact.
const EXACT_TO: u64 = 1 << 10;

/// How far the peer lags behind `chunk / timeout`, in time that writes have waited for it.
///
/// The debt grows while an operation waits, and bytes that the peer takes pay for it: a chunk pays
/// for the whole deadline. At a debt of the whole deadline the peer is ended. Bytes count in
/// pieces of at least half a chunk, so a peer that takes a byte now and then pays nothing. A
/// peer at the floor or above is never ended, as long as the stream shows its progress in steps of
/// at most a chunk.
///
/// Where only acknowledgements are known and the peer's window is closed, the peer has a credit of
/// up to one more deadline. Its host acknowledges as much as its receive buffer takes, and the next bytes only once the application
/// has read most of that: Linux with default buffers is silent for 8.6 s at 15 kB/s and for 6.4 s at
/// 20 kB/s (measured between two network namespaces).
#[derive(Debug, Default)]
pub(super) struct WriteClock {
    /// When the debt would have begun, had it grown without a pause; in the future with a credit.
    since: Option<u64>,
    /// The largest credit of this debt, in ticks.
    credit: u64,
    /// The last poll.
    polled: u64,
    /// Whether the operation waited for the peer after it.
    waits: bool,
    /// Bytes that the stream has accepted.
    accepted: u64,
    /// The position up to which bytes have paid.
    paid: StreamMark,
    look_at: u64,
    looked: bool,
}

/// A position in the stream.
#[derive(Debug, Default, Clone, Copy)]
struct StreamMark {
    accepted: u64,
    /// `None` where the stream does not know what the peer has taken.
    taken: Option<u64>,
}

/// The terms of a connection: ticks and bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct WriteTerms {
    timeout: u64,
    chunk: u64,
}

impl WriteTerms {
    pub(super) fn of(settings: &ConnSettings) -> Self {
        Self {
            timeout: settings.write,
            chunk: settings.chunk as u64,
        }
    }

    /// Ticks between two looks at the stream.
    fn interval(self) -> u64 {
        (self.timeout / LOOKS).max(1)
    }
}

/// The result of a look at the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WriteProgress {
    /// The peer has paid.
    Moves,
    /// The peer has not paid, and has time left.
    Waits,
    /// The peer is to be ended.
    Over,
}

impl WriteClock {
    /// An operation is polled. Time counts only if an operation waited for the peer, and then no
    /// longer than two intervals: a task that is polled later than that was starved or gave up.
    pub(super) fn before(&mut self, now: u64, terms: WriteTerms) {
        let waited = std::mem::take(&mut self.waits);
        let gap = now.saturating_sub(std::mem::replace(&mut self.polled, now));
        let Some(since) = &mut self.since else {
            return;
        };
        if gap > terms.timeout.saturating_mul(2) {
            self.clear();
            return;
        }
        let counts = if waited { 2 * terms.interval() } else { 0 };
        let still = gap.saturating_sub(counts);
        *since = since.saturating_add(still).min(now + self.credit);
        self.look_at = self.look_at.saturating_add(still);
    }

    /// The operation waits for the peer; returns when to look at the stream.
    pub(super) fn pends(&mut self, now: u64, terms: WriteTerms) -> u64 {
        (self.polled, self.waits) = (now, true);
        let since = match self.since {
            Some(since) => since,
            None => {
                self.since = Some(now);
                // The debt begins with the first measurement, so that one comes soon.
                self.look_at = now.saturating_add((terms.interval() / FIRST_LOOK).max(1));
                self.looked = false;
                self.paid = StreamMark {
                    accepted: self.accepted,
                    taken: None,
                };
                now
            }
        };
        self.look_at.min(since.saturating_add(terms.timeout))
    }

    /// When a peer that takes nothing is ended.
    pub(super) fn ends(&self, terms: WriteTerms) -> u64 {
        self.since.unwrap_or(0).saturating_add(terms.timeout)
    }

    /// Judges the peer by the bytes that it has taken.
    pub(super) fn look(
        &mut self,
        now: u64,
        taken: Option<Taken>,
        terms: WriteTerms,
    ) -> WriteProgress {
        let before = self.since;
        let is_closed = matches!(
            taken,
            Some(Taken::Acknowledged {
                in_flight: false,
                ..
            })
        );
        let taken = taken.map(Taken::bytes);
        let is_first = !std::mem::replace(&mut self.looked, true);
        self.look_at = now.saturating_add(terms.interval());
        let bytes = match (taken, self.paid.taken) {
            (Some(taken), Some(paid)) => taken.saturating_sub(paid),
            _ => self.accepted - self.paid.accepted,
        };
        self.pay(now, bytes, taken, terms);
        if let (Some(taken), None) = (taken, self.paid.taken) {
            self.paid = StreamMark {
                accepted: self.accepted,
                taken: Some(taken.saturating_sub(EXACT_TO)),
            };
            if is_first {
                // Bytes that the peer took before the first measurement are unknown.
                self.since = Some(now);
            }
        }
        if is_closed && self.credit == 0 {
            // Once for each debt.
            self.credit = terms.timeout;
            self.since = self.since.map(|since| since + self.credit);
        }
        let since = self.since.unwrap_or(now);
        if now.saturating_sub(since) >= terms.timeout {
            WriteProgress::Over
        } else if self.since == before {
            WriteProgress::Waits
        } else {
            WriteProgress::Moves
        }
    }

    /// Notes accepted bytes; the peer has taken as many where the stream does not know better.
    pub(super) fn accepted(&mut self, now: u64, bytes: usize, terms: WriteTerms) {
        self.accepted += bytes as u64;
        if self.paid.taken.is_none() {
            let bytes = self.accepted - self.paid.accepted;
            self.pay(now, bytes, None, terms);
        }
    }

    /// Everything was flushed: the peer has taken it where the stream does not know better.
    pub(super) fn flushed(&mut self) {
        self.waits = false;
        if self.paid.taken.is_none() {
            self.clear();
        }
    }

    /// The peer owes nothing.
    pub(super) fn clear(&mut self) {
        self.since = None;
        self.credit = 0;
        self.waits = false;
        self.paid.taken = None;
    }

    fn pay(&mut self, now: u64, bytes: u64, taken: Option<u64>, terms: WriteTerms) {
        let Some(since) = &mut self.since else {
            return;
        };
        if bytes < terms.chunk / 2 {
            return;
        }
        let worth = u128::from(bytes) * u128::from(terms.timeout);
        let worth = worth.div_ceil(u128::from(terms.chunk));
        let worth = u64::try_from(worth).unwrap_or(u64::MAX);
        *since = since.saturating_add(worth).min(now + self.credit);
        self.paid = StreamMark {
            accepted: self.accepted,
            taken: taken.or(self.paid.taken),
        };
    }
}

/// Writes at most `limit` bytes of the buffers, still vectored where whole buffers fit.
pub(super) fn poll_clamped<I: AsyncWrite>(
    io: Pin<&mut I>,
    cx: &mut Context<'_>,
    bufs: &[IoSlice<'_>],
    limit: usize,
) -> Poll<io::Result<usize>> {
    if let [only] = bufs {
        return io.poll_write(cx, &only[..only.len().min(limit)]);
    }
    let mut fit = 0;
    let whole = bufs
        .iter()
        .take_while(|buf| {
            fit += buf.len();
            fit <= limit
        })
        .count();
    let first = bufs.iter().find(|buf| !buf.is_empty());
    match first {
        Some(first) if first.len() > limit => io.poll_write(cx, &first[..limit]),
        _ => io.poll_write_vectored(cx, &bufs[..whole]),
    }
}

#[cfg(test)]
mod tests;
