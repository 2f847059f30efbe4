//! The lines that a process writes, as they come.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex};

use super::PATIENCE;

#[derive(Default)]
struct Seen {
    lines: Vec<String>,
    ended: bool,
}

/// Collects lines in a thread of its own.
#[derive(Clone, Default)]
pub(super) struct Lines(Arc<(Mutex<Seen>, Condvar)>);

impl Lines {
    /// Reads to the end, or up to a line with a text; the pipe then stays open, unread.
    pub(super) fn read(from: impl Read + Send + 'static, until: Option<&'static str>) -> Self {
        let lines = Self::default();
        let into = lines.clone();
        std::thread::spawn(move || {
            let mut from = BufReader::new(from);
            loop {
                let mut line = Vec::new();
                let read = from.read_until(b'\n', &mut line).unwrap_or(0);
                let line = String::from_utf8_lossy(&line)
                    .trim_end_matches('\n')
                    .to_owned();
                let last = until.is_some_and(|until| line.contains(until));
                let (seen, changed) = &*into.0;
                let mut seen = seen.lock().unwrap();
                if read == 0 {
                    seen.ended = true;
                } else {
                    seen.lines.push(line);
                }
                let ended = seen.ended || last;
                seen.ended = ended;
                drop(seen);
                changed.notify_all();
                if ended {
                    break;
                }
            }
            if until.is_some() {
                // The test's process ends with its tests.
                std::mem::forget(from);
            }
        });
        lines
    }

    /// Waits for a line.
    pub(super) fn wait(&self, fits: impl Fn(&str) -> bool) -> Option<String> {
        let find = |seen: &Seen| seen.lines.iter().find(|line| fits(line)).cloned();
        let (seen, changed) = &*self.0;
        let seen = seen.lock().unwrap();
        let waited = changed
            .wait_timeout_while(seen, PATIENCE, |seen| find(seen).is_none() && !seen.ended)
            .unwrap();
        find(&waited.0)
    }

    pub(super) fn wait_end(&self) {
        let (seen, changed) = &*self.0;
        let waited = changed
            .wait_timeout_while(seen.lock().unwrap(), PATIENCE, |seen| !seen.ended)
            .unwrap();
        assert!(!waited.1.timed_out(), "the pipe did not end");
    }

    pub(super) fn text(&self) -> String {
        self.0 .0.lock().unwrap().lines.join("\n")
    }
}
