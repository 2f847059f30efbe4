//! The log queue and its writing thread.
//!
//! The queue is bounded. A stalled reader or a full disk costs lines and never blocks the service;
//! only a closed reader ends the log.

#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::sync::mpsc::{sync_channel, Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::thread;
use std::time::Duration;

use super::batch::LineBatch;
use super::dropped::DroppedLines;

/// Capacity of the queue, in lines.
const QUEUE: usize = 8192;
/// Lines per write.
const BATCH: usize = 256;
/// Time that the process waits for the writer when it exits.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Attempts to queue the close message in a full queue.
const CLOSE_TRIES: u32 = 100;
/// Pause before a retry on a full queue or a non-blocking stdout.
const RETRY: Duration = Duration::from_millis(5);
/// Pause before a failed write is retried without a further line.
const NOTICE_RETRY: Duration = Duration::from_secs(1);

enum QueueItem {
    Line(String),
    Close,
}

/// The sending side of the queue. Never blocks.
#[derive(Clone)]
pub(super) struct Sink {
    queue: SyncSender<QueueItem>,
    dropped: DroppedLines,
}

impl Sink {
    /// Queues a line; counts it as dropped if the queue is full.
    pub(super) fn offer(&self, line: String) {
        // After a closed reader, lines are neither queued nor counted.
        if let Err(TrySendError::Full(_)) = self.queue.try_send(QueueItem::Line(line)) {
            self.dropped.add(1);
        }
    }
}

/// Handle of the writing thread. Its drop waits, in bounded time.
#[must_use]
pub(crate) struct Writer {
    queue: SyncSender<QueueItem>,
    closed: Receiver<()>,
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
        let mut tries = 0;
        while let Err(TrySendError::Full(_)) = self.queue.try_send(QueueItem::Close) {
            tries += 1;
            if tries > CLOSE_TRIES {
                return;
            }
            thread::sleep(RETRY);
        }
        let _ = self.closed.recv_timeout(CLOSE_TIMEOUT);
    }
}

/// Starts the writing thread.
///
/// `notice` renders the line that reports dropped lines.
pub(super) fn start(
    out: impl Write + Send + 'static,
    notice: impl Fn(u64) -> String + Send + 'static,
) -> io::Result<(Sink, Writer)> {
    let (queue, items) = sync_channel(QUEUE);
    let (done, closed) = sync_channel(1);
    let dropped = DroppedLines::default();
    let counted = dropped.clone();
    thread::Builder::new().name("log".into()).spawn(move || {
        run(out, &items, &counted, notice);
        // Close the queue before reporting the end: later lines are dropped.
        drop(items);
        let _ = done.try_send(());
    })?;
    let sink = Sink {
        queue: queue.clone(),
        dropped: dropped.clone(),
    };
    let writer = Writer {
        queue,
        closed,
        dropped,
    };
    Ok((sink, writer))
}

/// Writes until it is closed, or until the reader closes.
///
/// Any other failure drops and counts the unwritten lines, and writing continues.
fn run(
    mut out: impl Write,
    items: &Receiver<QueueItem>,
    dropped: &DroppedLines,
    notice: impl Fn(u64) -> String,
) {
    let mut batch = LineBatch::default();
    loop {
        let unfinished = dropped.has_unreported() || !batch.is_empty();
        let first = match unfinished {
            true => items.recv_timeout(NOTICE_RETRY),
            false => items.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        let first = match first {
            Ok(item) => Some(item),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let mut closing = false;
        for item in first.into_iter().chain(items.try_iter().take(BATCH)) {
            match item {
                QueueItem::Line(line) => batch.push(&line),
                QueueItem::Close => {
                    closing = true;
                    break;
                }
            }
        }
        batch.push_notice(dropped.take_unreported(), &notice);
        match write(&mut out, &mut batch) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return,
            Err(_) => batch.give_up(dropped),
        }
        if closing {
            return;
        }
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
pub(super) fn test_sink(room: usize) -> (Sink, Lines) {
    let (queue, items) = sync_channel(room);
    let dropped = DroppedLines::default();
    (Sink { queue, dropped }, Lines(items))
}

/// Lines of a test's sink.
#[cfg(test)]
pub(super) struct Lines(Receiver<QueueItem>);

#[cfg(test)]
impl Lines {
    pub(super) fn take(&self) -> Vec<String> {
        let line = |item| match item {
            QueueItem::Line(line) => Some(line),
            QueueItem::Close => None,
        };
        self.0.try_iter().filter_map(line).collect()
    }
}
