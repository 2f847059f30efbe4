//! Where lines go: a bounded queue and a thread that writes. A reader that stalls costs lines,
//! never the service; one that is gone costs all of them.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{sync_channel, Receiver, SyncSender, TrySendError};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

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

enum Item {
    Line(String),
    Close,
}

/// The queue's entrance. Never blocks.
#[derive(Clone)]
pub(super) struct Sink {
    queue: SyncSender<Item>,
    dropped: Arc<AtomicU64>,
}

impl Sink {
    /// Queues a line; false where there is no room.
    pub(super) fn offer(&self, line: String) -> bool {
        // Where nobody reads any more, nobody is to be told.
        !matches!(
            self.queue.try_send(Item::Line(line)),
            Err(TrySendError::Full(_))
        )
    }

    pub(super) fn note_dropped(&self, lines: u64) {
        self.dropped.fetch_add(lines, Ordering::Relaxed);
    }

    /// Lines dropped since the last call.
    pub(super) fn take_dropped(&self) -> u64 {
        match self.dropped.load(Ordering::Relaxed) {
            0 => 0,
            _ => self.dropped.swap(0, Ordering::Relaxed),
        }
    }
}

/// Waits for the writer when it is dropped, in bounded time.
#[must_use]
pub(crate) struct Writer {
    queue: SyncSender<Item>,
    closed: Receiver<()>,
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

/// Starts the writing thread.
pub(super) fn start(out: impl Write + Send + 'static) -> io::Result<(Sink, Writer)> {
    let (queue, items) = sync_channel(QUEUE);
    let (done, closed) = sync_channel(1);
    thread::Builder::new().name("log".into()).spawn(move || {
        run(out, &items);
        // The queue is gone before the end is told: from here on lines are dropped.
        drop(items);
        let _ = done.try_send(());
    })?;
    let sink = Sink {
        queue: queue.clone(),
        dropped: Arc::default(),
    };
    Ok((sink, Writer { queue, closed }))
}

/// Writes until it is told to close, or until nobody reads.
fn run(mut out: impl Write, items: &Receiver<Item>) {
    let mut batch = Vec::new();
    while let Ok(first) = items.recv() {
        let mut closing = false;
        for item in std::iter::once(first).chain(items.try_iter().take(BATCH)) {
            match item {
                Item::Line(line) => batch.extend_from_slice(line.as_bytes()),
                Item::Close => {
                    closing = true;
                    break;
                }
            }
        }
        if write(&mut out, &batch).is_err() || closing {
            return;
        }
        batch.clear();
    }
}

/// Writes everything; a pipe that is full for the moment is tried again.
fn write(out: &mut impl Write, mut bytes: &[u8]) -> io::Result<()> {
    loop {
        let result = if bytes.is_empty() {
            out.flush().map(|()| None)
        } else {
            out.write(bytes).map(Some)
        };
        match result {
            Ok(None) => return Ok(()),
            Ok(Some(0)) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(Some(written)) => bytes = &bytes[written..],
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
    let dropped = Arc::default();
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// Shared memory that can be told to fail.
    #[derive(Clone, Default)]
    struct Out(Arc<Mutex<(Vec<u8>, Option<io::ErrorKind>)>>);

    impl Write for Out {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            let mut inner = self.0.lock().unwrap();
            match inner.1 {
                Some(io::ErrorKind::WouldBlock) => {
                    inner.1 = None;
                    Err(io::ErrorKind::WouldBlock.into())
                }
                Some(kind) => Err(kind.into()),
                None => {
                    inner.0.extend_from_slice(&buf[..1]);
                    Ok(1)
                }
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn everything_is_written_before_the_writer_is_gone() {
        let out = Out::default();
        out.0.lock().unwrap().1 = Some(io::ErrorKind::WouldBlock);
        let (sink, writer) = start(out.clone()).unwrap();
        for n in 0..1000 {
            assert!(sink.offer(format!("{n}\n")));
        }
        drop(writer);
        let text = String::from_utf8(out.0.lock().unwrap().0.clone()).unwrap();
        let expected: String = (0..1000).map(|n| format!("{n}\n")).collect();
        assert_eq!(text, expected);
    }

    #[test]
    fn a_reader_that_is_gone_costs_lines_and_nothing_else() {
        let out = Out::default();
        out.0.lock().unwrap().1 = Some(io::ErrorKind::BrokenPipe);
        let (sink, writer) = start(out).unwrap();
        for n in 0..3 * QUEUE {
            let _ = sink.offer(format!("{n}\n"));
        }
        drop(writer);
        assert!(sink.offer("x".to_owned()));
    }
}
