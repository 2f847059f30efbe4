//! The output of a process, collected by a thread.

use std::io::{BufRead as _, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// The longest wait for anything but a scanner.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The output of a process so far.
#[derive(Clone, Default)]
pub struct Output(Arc<(Mutex<Seen>, Condvar)>);

#[derive(Default)]
struct Seen {
    bytes: Vec<u8>,
    max_bytes: Option<usize>,
    ended: bool,
}

impl Seen {
    /// Drops the oldest bytes, at twice the limit.
    ///
    /// So each byte moves once.
    fn trim(&mut self) {
        let Some(max_bytes) = self.max_bytes else {
            return;
        };
        if self.bytes.len() > max_bytes * 2 {
            self.bytes.drain(..self.bytes.len() - max_bytes);
        }
    }
}

impl Output {
    /// Collects everything.
    pub(crate) fn read(mut from: impl Read + Send + 'static) -> Self {
        let output = Self::default();
        let into = output.clone();
        thread::spawn(move || {
            let mut buffer = vec![0; 64 << 10];
            while let Ok(read @ 1..) = from.read(&mut buffer) {
                into.push(&buffer[..read], false);
            }
            into.push(b"", true);
        });
        output
    }

    /// Collects lines up to one with this text.
    ///
    /// The pipe stays open, unread.
    pub(crate) fn read_until(from: impl Read + Send + 'static, until: &'static str) -> Self {
        let output = Self::default();
        let into = output.clone();
        thread::spawn(move || {
            let mut from = BufReader::new(from);
            loop {
                let mut line = Vec::new();
                let read = from.read_until(b'\n', &mut line).unwrap_or(0);
                let ended = read == 0 || String::from_utf8_lossy(&line).contains(until);
                into.push(&line, ended);
                if ended {
                    break;
                }
            }
            // Leaked so that the pipe stays open: it ends with the test's process.
            std::mem::forget(from);
        });
        output
    }

    fn push(&self, bytes: &[u8], ended: bool) {
        let mut seen = self.lock();
        seen.bytes.extend_from_slice(bytes);
        seen.trim();
        seen.ended = ended;
        self.0 .1.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0 .0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `look` finds a value, or until the output ends.
    pub fn wait<T>(&self, look: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
        let is_missing = |seen: &mut Seen| look(&seen.bytes).is_none() && !seen.ended;
        let waited = self
            .0
             .1
            .wait_timeout_while(self.lock(), PATIENCE, is_missing);
        let (seen, _) = waited.unwrap_or_else(PoisonError::into_inner);
        look(&seen.bytes)
    }

    /// Waits for a line in which `look` finds a value.
    pub fn line<T>(&self, look: impl Fn(&str) -> Option<T>) -> Option<T> {
        self.wait(|bytes| String::from_utf8_lossy(bytes).lines().find_map(&look))
    }

    /// Keeps only the last bytes from now on.
    pub fn keep_last(&self, bytes: usize) {
        let mut seen = self.lock();
        seen.max_bytes = Some(bytes);
        seen.trim();
    }

    /// Returns the output so far.
    pub fn bytes(&self) -> Vec<u8> {
        self.lock().bytes.clone()
    }

    /// Returns the output so far as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }
}
