//! The counts of a handover.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::Instant;

/// The connections that a server has received.
#[derive(Debug, Clone)]
pub(crate) struct Progress(Arc<watch::Sender<Counts>>);

#[derive(Debug)]
pub(crate) struct Counts {
    /// Whether the stream of connections has ended.
    pub(crate) ended: bool,
    /// Open connections without a byte from the client.
    pub(crate) silent: usize,
    /// The time of the last connection.
    pub(crate) last: Instant,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let counts = Counts {
            ended: false,
            silent: 0,
            last: Instant::now(),
        };
        Self(Arc::new(watch::Sender::new(counts)))
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Counts> {
        self.0.subscribe()
    }

    pub(crate) fn end(&self) {
        self.0.send_modify(|counts| counts.ended = true);
    }

    pub(crate) fn handed_over(&self) -> Silent {
        self.0.send_modify(|counts| {
            counts.silent += 1;
            counts.last = Instant::now();
        });
        Silent(self.clone())
    }
}

/// Counts a connection as silent; dropped with the client's first byte.
#[derive(Debug)]
pub(crate) struct Silent(Progress);

impl Drop for Silent {
    fn drop(&mut self) {
        self.0 .0.send_modify(|counts| counts.silent -= 1);
    }
}
