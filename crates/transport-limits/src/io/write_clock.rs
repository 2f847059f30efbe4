//! The clock of a write: its deadline per taken chunk.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;
use transport_core::Taken;

use crate::conn_settings::ConnSettings;

/// Checks of the peer's progress within one deadline.
///
/// So a stalled connection ends at most one such interval after its deadline.
const CHECKS: u64 = 16;
/// The first check comes this many times sooner.
const FIRST_CHECK: u64 = 4;
/// The precision of [`Io::taken`](transport_core::Io::taken) in bytes.
const EXACT_TO: u64 = 1 << 10;

/// The debt of a peer that reads below `chunk / timeout`, the floor.
///
/// The debt is time. It grows while an operation waits for the peer, and shrinks with the bytes that
/// the peer takes: a chunk pays for the whole deadline. At a debt of the whole deadline the
/// connection ends. Bytes count in pieces of at least half a chunk, so a peer that takes a byte now
/// and then pays nothing. A peer at the floor or above stays connected, as long as the stream shows
/// its progress in steps of at most a chunk.
///
/// If only acknowledgements are known and the peer's window is closed, the peer has a credit of up
/// to one more deadline. Its host acknowledges as many bytes as its receive buffer holds, and more
/// only after the application has read most of them. Linux with default buffers is silent for 8.6 s
/// at 15 kB/s and for 6.4 s at 20 kB/s (measured between two network namespaces).
#[derive(Debug, Default)]
pub(super) struct WriteClock {
    /// Bytes accepted by the stream.
    accepted: u64,
    /// `None` while no operation waits for the peer.
    debt: Option<Box<WriteDebt>>,
}

/// A debt, from the first wait for the peer on.
#[derive(Debug)]
struct WriteDebt {
    /// When the debt began, without its pauses. It is in the future with a credit.
    since: u64,
    /// The largest credit of this debt, in ticks.
    credit: u64,
    /// The tick of the last poll.
    polled: u64,
    /// Whether the operation has waited for the peer since.
    waits: bool,
    /// Position up to which bytes have paid.
    paid: StreamMark,
    check_at: u64,
    checked: bool,
}

/// A position in the stream.
#[derive(Debug, Default, Clone, Copy)]
struct StreamMark {
    accepted: u64,
    /// Bytes taken by the peer; `None` if the stream does not know.
    taken: Option<u64>,
}

/// The write deadline and chunk of a connection, in ticks and bytes.
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

    /// Returns the ticks between two checks of the stream.
    fn interval(self) -> u64 {
        (self.timeout / CHECKS).max(1)
    }
}

/// The result of a check of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PeerProgress {
    /// The peer has taken bytes.
    Moves,
    /// The peer has taken no bytes, and has time left.
    Waits,
    /// The deadline has passed.
    Over,
}

impl WriteClock {
    /// Notes the poll of an operation.
    ///
    /// Time since the last poll counts only if an operation waited for the peer, and then at most two
    /// intervals: a task polled later than that was starved, or had dropped its operation.
    pub(super) fn before(&mut self, now: u64, terms: WriteTerms) {
        let Some(debt) = &mut self.debt else {
            return;
        };
        let waited = std::mem::take(&mut debt.waits);
        let gap = now.saturating_sub(std::mem::replace(&mut debt.polled, now));
        if gap > terms.timeout.saturating_mul(2) {
            self.clear();
            return;
        }
        let counts = if waited { 2 * terms.interval() } else { 0 };
        let still = gap.saturating_sub(counts);
        debt.since = debt.since.saturating_add(still).min(now + debt.credit);
        debt.check_at = debt.check_at.saturating_add(still);
    }

    /// Notes a wait for the peer; returns when to check the stream.
    pub(super) fn pends(&mut self, now: u64, terms: WriteTerms) -> u64 {
        let accepted = self.accepted;
        let debt = self.debt.get_or_insert_with(|| {
            Box::new(WriteDebt {
                since: now,
                credit: 0,
                polled: now,
                waits: true,
                paid: StreamMark {
                    accepted,
                    taken: None,
                },
                // The debt begins with the first measurement, so it comes soon.
                check_at: now.saturating_add((terms.interval() / FIRST_CHECK).max(1)),
                checked: false,
            })
        });
        (debt.polled, debt.waits) = (now, true);
        debt.check_at.min(debt.since.saturating_add(terms.timeout))
    }

    /// Returns when the connection of a peer that takes nothing ends.
    pub(super) fn ends(&self, terms: WriteTerms) -> u64 {
        let since = self.debt.as_ref().map_or(0, |debt| debt.since);
        since.saturating_add(terms.timeout)
    }

    /// Checks the peer's progress by the bytes it has taken.
    pub(super) fn check(
        &mut self,
        now: u64,
        taken: Option<Taken>,
        terms: WriteTerms,
    ) -> PeerProgress {
        let accepted = self.accepted;
        let Some(debt) = &mut self.debt else {
            return PeerProgress::Waits;
        };
        let before = debt.since;
        let is_closed = matches!(
            taken,
            Some(Taken::Acknowledged {
                in_flight: false,
                ..
            })
        );
        let taken = taken.map(Taken::bytes);
        let is_first = !std::mem::replace(&mut debt.checked, true);
        debt.check_at = now.saturating_add(terms.interval());
        let bytes = match (taken, debt.paid.taken) {
            (Some(taken), Some(paid)) => taken.saturating_sub(paid),
            _ => accepted - debt.paid.accepted,
        };
        debt.pay(now, bytes, accepted, taken, terms);
        if let (Some(taken), None) = (taken, debt.paid.taken) {
            debt.paid = StreamMark {
                accepted,
                taken: Some(taken.saturating_sub(EXACT_TO)),
            };
            if is_first {
                // Bytes taken before the first measurement are unknown.
                debt.since = now;
            }
        }
        if is_closed && debt.credit == 0 {
            // Once for each debt.
            debt.credit = terms.timeout;
            debt.since += debt.credit;
        }
        if now.saturating_sub(debt.since) >= terms.timeout {
            PeerProgress::Over
        } else if debt.since == before {
            PeerProgress::Waits
        } else {
            PeerProgress::Moves
        }
    }

    /// Notes accepted bytes.
    ///
    /// They count as taken if the stream does not measure that.
    pub(super) fn accepted(&mut self, now: u64, bytes: usize, terms: WriteTerms) {
        self.accepted += bytes as u64;
        let accepted = self.accepted;
        if let Some(debt) = &mut self.debt {
            if debt.paid.taken.is_none() {
                let bytes = accepted - debt.paid.accepted;
                debt.pay(now, bytes, accepted, None, terms);
            }
        }
    }

    /// Notes a complete flush.
    ///
    /// All bytes count as taken if the stream does not measure that.
    pub(super) fn flushed(&mut self) {
        let Some(debt) = &mut self.debt else {
            return;
        };
        debt.waits = false;
        if debt.paid.taken.is_none() {
            self.clear();
        }
    }

    /// Returns whether an operation has waited for the peer and not paid.
    pub(super) const fn has_debt(&self) -> bool {
        self.debt.is_some()
    }

    /// Clears the debt.
    pub(super) fn clear(&mut self) {
        self.debt = None;
    }
}

impl WriteDebt {
    fn pay(&mut self, now: u64, bytes: u64, accepted: u64, taken: Option<u64>, terms: WriteTerms) {
        if bytes < terms.chunk / 2 {
            return;
        }
        let worth = u128::from(bytes) * u128::from(terms.timeout);
        let worth = worth.div_ceil(u128::from(terms.chunk));
        let worth = u64::try_from(worth).unwrap_or(u64::MAX);
        self.since = self.since.saturating_add(worth).min(now + self.credit);
        self.paid = StreamMark {
            accepted,
            taken: taken.or(self.paid.taken),
        };
    }
}

/// Writes at most `limit` bytes, vectored while whole buffers fit.
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
