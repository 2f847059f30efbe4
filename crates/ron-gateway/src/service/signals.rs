//! Signals of the process.

use std::io;

use tokio::signal::unix::{signal, Signal, SignalKind};

use crate::logging::TARGET;

/// The signals that the service answers.
pub(super) struct Signals {
    term: Signal,
    int: Signal,
    hup: Signal,
}

impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
            hup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits until it is told to stop; returns the signal's name. Cancel-safe.
    pub(super) async fn stop(&mut self) -> &'static str {
        loop {
            tokio::select! {
                _ = self.term.recv() => return "SIGTERM",
                _ = self.int.recv() => return "SIGINT",
                _ = self.hup.recv() => tracing::warn!(
                    target: TARGET,
                    event = "reload",
                    signal = "SIGHUP",
                    "ignored: this build does not reload, a restart does",
                ),
            }
        }
    }
}
