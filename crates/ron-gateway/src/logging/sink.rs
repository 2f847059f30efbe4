//! Where lines go: a bounded queue and a thread that writes. A reader that stalls costs lines,
//! never the service, and so does a disk that is full; only a reader that is gone ends the log.

#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::sync::mpsc::{sync_channel, Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::thread;
use std::time::Duration;

use super::batch::LineBatch;
use super::dropped::DroppedLines;

/// Lines that wait for the writer.
const QUEUE: usize = 8192;
/// Lines that are written at once.
const BATCH: usize = 256;
/// How long the end of the process waits for the writer.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// How often the end tries to get into a full queue.
const CLOSE_TRIES: u32 = 100;
/// Pause before what is full, a queue or a non-blocking stdout, is tried again.
const RETRY: Duration = Duration::from_millis(5);
/// Pause before a failed write is tried again where no further line comes.
const NOTICE_RETRY: Duration = Duration::from_secs(1);

enum QueueItem {
    Line(String),
    Close,
}

/// The queue's entrance. Never blocks.
#[derive(Clone)]
pub(super) struct Sink {
    queue: SyncSender<QueueItem>,
    dropped: DroppedLines,
}

impl Sink {
    /// Queues a line, or counts it as dropped where there is no room.
    pub(super) fn offer(&self, line: String) {
        // With no reader left, nothing is queued and nothing is counted.
        if let Err(TrySendError::Full(_)) = self.queue.try_send(QueueItem::Line(line)) {
            self.dropped.add(1);
        }
    }
}

/// Waits for the writer when it is dropped, in bounded time.
#[must_use]
pub(crate) struct Writer {
    queue: SyncSender<QueueItem>,
    closed: Receiver<()>,
    dropped: DroppedLines,
}

impl Writer {
    /// The count of lines that were not written.
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

/// Starts the writing thread. `notice` renders the line that says how many lines were dropped.
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
        // The queue is gone before the end is told: from here on lines are dropped.
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

/// Writes until it is closed, or until the reader is gone. Any other failure drops the lines that
/// were not written, counts them, and goes on with the next.
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

/// Writes everything; a pipe that is full for the moment is tried again.
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

/// A sink that keeps its lines for a test.
#[cfg(test)]
pub(super) fn test_sink(room: usize) -> (Sink, Lines) {
    let (queue, items) = sync_channel(room);
    let dropped = DroppedLines::default();
    (Sink { queue, dropped }, Lines(items))
}

/// The lines of a test's sink.
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
