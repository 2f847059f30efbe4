//! The log queue and its writing thread.
//!
//! The queue is bounded. A stalled reader or a full disk costs lines and never blocks the service;
//! only a closed reader ends the log.

#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::sync::mpsc::{sync_channel, Receiver};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::batch::LineBatch;
use super::dropped::DroppedLines;
use super::queue::{LineQueue, QueueState};

/// Time that the process waits for the writer when it exits.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Pause before a retry on a non-blocking stdout.
const RETRY: Duration = Duration::from_millis(5);
/// Pause after a write, in which further lines gather.
///
/// A killed process loses at most the lines of this time.
const GATHER: Duration = Duration::from_millis(10);
/// Pause before a failed write is retried without a further line.
const NOTICE_RETRY: Duration = Duration::from_secs(1);

/// The sending side of the queue. Never blocks.
#[derive(Clone)]
pub(super) struct Sink {
    queue: Arc<LineQueue>,
    dropped: DroppedLines,
}

impl Sink {
    /// Queues a line; counts it as dropped if the queue is full.
    pub(super) fn offer(&self, line: &str) {
        // After a closed reader, lines are neither queued nor counted.
        if !self.queue.push(line) {
            self.dropped.add(1);
        }
    }
}

/// Handle of the writing thread. Its drop waits, in bounded time.
#[must_use]
pub(crate) struct Writer {
    queue: Arc<LineQueue>,
    ended: Receiver<()>,
    dropped: DroppedLines,
}

impl Writer {
    /// Returns the counter of dropped lines.
    pub(crate) fn dropped(&self) -> DroppedLines {
        self.dropped.clone()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue.close();
        let _ = self.ended.recv_timeout(CLOSE_TIMEOUT);
    }
}

/// Starts the writing thread.
///
/// `notice` renders the line that reports dropped lines.
pub(super) fn start(
    out: impl Write + Send + 'static,
    notice: impl Fn(u64) -> String + Send + 'static,
) -> io::Result<(Sink, Writer)> {
    let queue = Arc::new(LineQueue::default());
    let (done, ended) = sync_channel(1);
    let dropped = DroppedLines::default();
    let (taken, counted) = (Arc::clone(&queue), dropped.clone());
    thread::Builder::new().name("log".into()).spawn(move || {
        // Before the end is reported: later lines are discarded.
        run(out, &taken, &counted, notice);
        taken.end();
        let _ = done.try_send(());
    })?;
    let sink = Sink {
        queue: Arc::clone(&queue),
        dropped: dropped.clone(),
    };
    let writer = Writer {
        queue,
        ended,
        dropped,
    };
    Ok((sink, writer))
}

/// Writes until it is closed, or until the reader closes.
///
/// Any other failure drops and counts the unwritten lines, and writing continues.
fn run(
    mut out: impl Write,
    queue: &LineQueue,
    dropped: &DroppedLines,
    notice: impl Fn(u64) -> String,
) {
    let (mut batch, mut lines) = (LineBatch::default(), String::new());
    loop {
        let is_unfinished = dropped.has_unreported() || !batch.is_empty();
        let state = queue.take(&mut lines, is_unfinished.then_some(NOTICE_RETRY));
        batch.push(&lines);
        batch.push_notice(dropped.take_unreported(), &notice);
        match write(&mut out, &mut batch) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return,
            Err(_) => batch.give_up(dropped),
        }
        if state == QueueState::Closing {
            return;
        }
        queue.gather(GATHER);
    }
}

/// Writes the whole batch; retries while a pipe is full.
fn write(out: &mut impl Write, batch: &mut LineBatch) -> io::Result<()> {
    loop {
        let result = if batch.is_empty() {
            out.flush().map(|()| None)
        } else {
            out.write(batch.bytes()).map(Some)
        };
        match result {
            Ok(None) => return Ok(()),
            Ok(Some(0)) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(Some(written)) => batch.written(written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(RETRY),
            Err(error) => return Err(error),
        }
    }
}

/// Returns a sink that keeps its lines for a test.
#[cfg(test)]
pub(super) fn test_sink() -> (Sink, Lines) {
    let queue = Arc::new(LineQueue::default());
    let dropped = DroppedLines::default();
    let lines = Lines(Arc::clone(&queue));
    (Sink { queue, dropped }, lines)
}

/// Lines of a test's sink.
#[cfg(test)]
pub(super) struct Lines(Arc<LineQueue>);

#[cfg(test)]
impl Lines {
    pub(super) fn take(&self) -> Vec<String> {
        let mut lines = String::new();
        self.0.take(&mut lines, Some(Duration::ZERO));
        lines.split_inclusive('\n').map(str::to_owned).collect()
    }
}
