//! Failing outputs: lost, counted and later lines.

use std::sync::Mutex;

use super::super::queue::QUEUE;
use super::*;

/// An output in memory that fails on demand.
#[derive(Clone, Default)]
struct Out(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    bytes: Vec<u8>,
    fails: Option<io::ErrorKind>,
    room: Option<usize>,
}

impl Out {
    fn fail(&self, how: Option<io::ErrorKind>) {
        self.0.lock().unwrap().fails = how;
    }

    fn room(&self, bytes: Option<usize>) {
        self.0.lock().unwrap().room = bytes;
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().bytes.clone()).unwrap()
    }
}

impl Write for Out {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let mut state = self.0.lock().unwrap();
        match (state.fails, state.room) {
            (Some(io::ErrorKind::WouldBlock), _) => {
                state.fails = None;
                Err(io::ErrorKind::WouldBlock.into())
            }
            (Some(kind), _) => Err(kind.into()),
            // ENOSPC.
            (None, Some(0)) => Err(io::Error::from_raw_os_error(28)),
            (None, room) => {
                let bytes = buf.len().min(room.unwrap_or(1)).min(7);
                state.room = room.map(|room| room - bytes);
                state.bytes.extend_from_slice(&buf[..bytes]);
                Ok(bytes)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn begin(out: &Out) -> (Sink, Writer) {
    start(out.clone(), |lines| format!("dropped={lines}\n")).unwrap()
}

/// Waits until all offered lines are written or dropped.
fn settle(out: &Out, dropped: &DroppedLines, lines: usize) {
    let count = |text: &str| text.lines().filter(|line| !line.contains('=')).count();
    for _ in 0..2000 {
        let gone = usize::try_from(dropped.total()).unwrap();
        if count(&out.text()) + gone >= lines {
            return;
        }
        thread::sleep(RETRY);
    }
    panic!("not settled: {} {}", out.text(), dropped.total());
}

#[test]
fn writer_drop_waits_for_all_lines() {
    let out = Out::default();
    out.fail(Some(io::ErrorKind::WouldBlock));
    let (sink, writer) = begin(&out);
    for n in 0..1000 {
        sink.offer(&format!("{n}\n"));
    }
    drop(writer);
    let expected: String = (0..1000).map(|n| format!("{n}\n")).collect();
    assert_eq!(out.text(), expected);
}

#[test]
fn closed_reader_ends_log_only() {
    let out = Out::default();
    out.fail(Some(io::ErrorKind::BrokenPipe));
    let (sink, writer) = begin(&out);
    for n in 0..3 * QUEUE {
        sink.offer(&format!("{n}\n"));
    }
    drop(writer);
    sink.offer("x");
}

/// A full disk tears one line, which is completed later. Lost lines are counted, and the count is
/// logged without a further line.
#[test]
fn full_disk_drops_lines_and_recovers() {
    let out = Out::default();
    out.room(Some(10));
    let (sink, writer) = begin(&out);
    let dropped = writer.dropped();
    sink.offer("whole\n");
    sink.offer("torn apart\n");
    settle(&out, &dropped, 2);
    for n in 0..5 {
        sink.offer(&format!("lost {n}\n"));
    }
    settle(&out, &dropped, 7);
    assert_eq!(out.text(), "whole\ntorn");
    out.room(None);
    for _ in 0..2000 {
        if out.text().contains("dropped=") {
            break;
        }
        thread::sleep(RETRY);
    }
    assert_eq!(dropped.total(), 5);
    sink.offer("after\n");
    drop(writer);
    assert_eq!(out.text(), "whole\ntorn apart\ndropped=5\nafter\n");
}

#[test]
fn recovered_device_gets_the_notice() {
    let out = Out::default();
    out.fail(Some(io::ErrorKind::Other));
    let (sink, writer) = begin(&out);
    let dropped = writer.dropped();
    sink.offer("lost\n");
    settle(&out, &dropped, 1);
    out.fail(None);
    sink.offer("kept\n");
    drop(writer);
    let text = out.text();
    assert!(
        text.contains("kept\n") && text.contains("dropped=1\n"),
        "{text}"
    );
}

/// A panic unwinds the owner of the writer.
#[test]
fn lines_before_a_panic_are_written() {
    let out = Out::default();
    let (sink, writer) = begin(&out);
    let panicking = thread::spawn(move || {
        let _writer = writer;
        for n in 0..100 {
            sink.offer(&format!("{n}\n"));
        }
        panic!("ends the owner of the writer");
    });
    assert!(panicking.join().is_err());
    let expected: String = (0..100).map(|n| format!("{n}\n")).collect();
    assert_eq!(out.text(), expected);
}
