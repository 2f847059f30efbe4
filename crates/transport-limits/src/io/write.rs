//! The clock of a write: it runs while the peer does not take what was offered.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;

/// Since when a write waits for the peer. A peer that takes a byte now and then does not stop
/// it: only a whole chunk, everything that was offered, or a flush does.
#[derive(Debug, Default)]
pub(super) struct WriteClock {
    since: Option<u64>,
    last_pend: u64,
    accepted: usize,
}

impl WriteClock {
    /// Forgets a write that was given up: a waiting one is polled at its deadline at the latest.
    pub(super) fn before(&mut self, now: u64, timeout: u64) {
        if self.since.is_some() && now.saturating_sub(self.last_pend) > timeout.saturating_mul(2) {
            self.clear();
        }
    }

    /// The operation waits; returns since when.
    pub(super) fn pends(&mut self, now: u64) -> u64 {
        self.last_pend = now;
        *self.since.get_or_insert(now)
    }

    /// Notes accepted bytes. True: all that was offered is taken, so a flush may stop the clock.
    pub(super) fn accepted(&mut self, written: usize, offered: usize, chunk: usize) -> bool {
        if self.since.is_none() {
            return false;
        }
        self.accepted += written;
        if self.accepted >= chunk {
            self.clear();
            return false;
        }
        written == offered
    }

    /// The clock stood still this long.
    pub(super) fn shift(&mut self, by: u64) {
        if let Some(since) = &mut self.since {
            *since = since.saturating_add(by);
        }
    }

    pub(super) fn clear(&mut self) {
        self.since = None;
        self.accepted = 0;
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
