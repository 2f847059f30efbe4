//! A gate before every poll of Arti's tasks.
//!
//! A tokio runtime that shuts down lets running tasks poll timers that no longer exist, and these
//! tasks panic. Closing the gate first ensures that no task is polled during the shutdown.

use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::{Arc, RwLock, TryLockError};
use std::task::{Context, Poll};
use std::thread::sleep;
use std::time::Duration;

use pin_project_lite::pin_project;

/// Pause between two attempts to close the gate.
const RETRY_PAUSE: Duration = Duration::from_micros(200);

/// Allows polls until it is closed. Clones share one state.
#[derive(Debug, Clone, Default)]
pub(super) struct PollGate {
    /// True once closed; read-locked during each poll.
    closed: Arc<RwLock<bool>>,
}

impl PollGate {
    /// Wraps a future, which stays pending once the gate is closed.
    pub(super) fn guard<F: Future>(&self, future: F) -> GatedFuture<F> {
        GatedFuture {
            future,
            gate: self.clone(),
            unwinds: false,
        }
    }

    /// As [`guard`](Self::guard), but a poll after the close unwinds.
    ///
    /// A thread that blocks on the future ends that way; nothing can end it from outside. The
    /// panic hook does not run, so no message is printed.
    pub(super) fn guard_blocking<F: Future>(&self, future: F) -> GatedFuture<F> {
        GatedFuture {
            unwinds: true,
            ..self.guard(future)
        }
    }

    /// Closes the gate. Blocks until no poll is running, at most `limit`.
    ///
    /// If a poll takes longer, the gate stays open.
    pub(super) fn close(&self, limit: Duration) {
        let mut waited = Duration::ZERO;
        loop {
            match self.closed.try_write() {
                Ok(mut closed) => return *closed = true,
                Err(TryLockError::Poisoned(mut closed)) => return **closed.get_mut() = true,
                Err(TryLockError::WouldBlock) if waited < limit => {
                    sleep(RETRY_PAUSE);
                    waited += RETRY_PAUSE;
                }
                Err(TryLockError::WouldBlock) => return,
            }
        }
    }
}

pin_project! {
    /// A future that is polled only while its gate is open.
    pub(super) struct GatedFuture<F> {
        #[pin]
        future: F,
        gate: PollGate,
        unwinds: bool,
    }
}

impl<F: Future> Future for GatedFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        match this.gate.closed.read() {
            Ok(closed) if !*closed => this.future.poll(cx),
            _ if *this.unwinds => resume_unwind(Box::new("the poll gate is closed")),
            _ => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn closed_gate_stops_polls() {
        let runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = { runtime }.worker_threads(2).build().unwrap();
        let gate = PollGate::default();
        let (polled, polls) = mpsc::sync_channel(1);
        let always_woken = std::future::poll_fn(move |cx| {
            cx.waker().wake_by_ref();
            let _ = polled.try_send(());
            Poll::<()>::Pending
        });
        runtime.spawn(gate.guard(always_woken));
        polls.recv().unwrap();
        gate.close(Duration::from_secs(10));
        while polls.try_recv().is_ok() {}
        let none = polls.recv_timeout(Duration::from_millis(50));
        assert_eq!(none, Err(mpsc::RecvTimeoutError::Timeout));
    }

    #[test]
    fn close_gives_up_on_long_poll() {
        let gate = PollGate::default();
        let poll = gate.closed.read().unwrap();
        gate.close(Duration::from_millis(20));
        assert!(!*poll);
    }
}
