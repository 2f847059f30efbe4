//! Where lines go: a bounded queue and a thread that writes. A reader that stalls costs lines,
//! never the service, and so does a disk that is full; only a reader that is gone ends the log.

#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::sync::mpsc::{sync_channel, Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::thread;
use std::time::Duration;

use super::batch::Batch;
use super::dropped::Dropped;

/// Lines that wait for the writer.
const QUEUE: usize = 8192;
/// Lines that are written at once.
const BATCH: usize = 256;
/// How long the end of the process waits for the writer.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How often the end tries to get into a full queue.
const CLOSE_TRIES: u32 = 100;
/// Pause before what is full, a queue or a non-blocking stdout, is tried again.
const RETRY: Duration = Duration::from_millis(5);
/// Pause before a failed write is tried again where no further line comes.
const TELL_AGAIN: Duration = Duration::from_secs(1);

enum Item {
    Line(String),
    Close,
}

/// The queue's entrance. Never blocks.
#[derive(Clone)]
pub(super) struct Sink {
    queue: SyncSender<Item>,
    dropped: Dropped,
}

impl Sink {
    /// Queues a line, or counts it as dropped where there is no room.
    pub(super) fn offer(&self, line: String) {
        // With no reader left, nothing is queued and nothing is counted.
        if let Err(TrySendError::Full(_)) = self.queue.try_send(Item::Line(line)) {
            self.dropped.add(1);
        }
    }
}

/// Waits for the writer when it is dropped, in bounded time.
#[must_use]
pub(crate) struct Writer {
    queue: SyncSender<Item>,
    closed: Receiver<()>,
    dropped: Dropped,
}

impl Writer {
    /// The count of lines that were not written.
    pub(crate) fn dropped(&self) -> Dropped {
        self.dropped.clone()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let mut tries = 0;
        while let Err(TrySendError::Full(_)) = self.queue.try_send(Item::Close) {
            tries += 1;
            if tries > CLOSE_TRIES {
                return;
            }
            thread::sleep(RETRY);
        }
        let _ = self.closed.recv_timeout(LAST_WORDS);
    }
}

/// Starts the writing thread. `notice` renders the line that says how many lines were dropped.
pub(super) fn start(
    out: impl Write + Send + 'static,
    notice: impl Fn(u64) -> String + Send + 'static,
) -> io::Result<(Sink, Writer)> {
    let (queue, items) = sync_channel(QUEUE);
    let (done, closed) = sync_channel(1);
    let dropped = Dropped::default();
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
    items: &Receiver<Item>,
    dropped: &Dropped,
    notice: impl Fn(u64) -> String,
) {
    let mut batch = Batch::default();
    loop {
        let owes = dropped.owes_notice() || !batch.is_empty();
        let first = match owes {
            true => items.recv_timeout(TELL_AGAIN),
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
                Item::Line(line) => batch.push(&line),
                Item::Close => {
                    closing = true;
                    break;
                }
            }
        }
        batch.push_notice(dropped.take_untold(), &notice);
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
fn write(out: &mut impl Write, batch: &mut Batch) -> io::Result<()> {
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
    let dropped = Dropped::default();
    (Sink { queue, dropped }, Lines(items))
}

/// The lines of a test's sink.
#[cfg(test)]
pub(super) struct Lines(Receiver<Item>);

#[cfg(test)]
impl Lines {
    pub(super) fn take(&self) -> Vec<String> {
        let line = |item| match item {
            Item::Line(line) => Some(line),
            Item::Close => None,
        };
        self.0.try_iter().filter_map(line).collect()
    }
}
