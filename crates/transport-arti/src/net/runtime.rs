//! The runtime that Arti's tasks run on: tokio's, with a gate before every poll.
//!
//! A tokio runtime that shuts down lets tasks that are being polled run into timers that are gone
//! already, and they panic. With the gate shut first, no task is polled any more when it begins.

use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::{Arc, RwLock, TryLockError};
use std::task::{Context, Poll};
use std::thread::sleep;
use std::time::Duration;

use futures_util::task::{FutureObj, Spawn, SpawnError};
use pin_project_lite::pin_project;
use tokio::runtime::Handle;
use tor_rtcompat::tokio::TokioRustlsRuntime as Tokio;
use tor_rtcompat::{Blocking, CompoundRuntime};

use super::tcp::NoDelayTcp;

/// What Arti runs on.
pub(crate) type Runtime = CompoundRuntime<Spawner, Tokio, Tokio, NoDelayTcp, Tokio, Tokio, Tokio>;

/// Pause before it is looked again whether a poll is over.
const PAUSE: Duration = Duration::from_micros(200);

/// Arti's view of a tokio runtime.
pub(super) fn over(handle: &Handle, gate: &Gate) -> Runtime {
    let tokio = Tokio::from(handle.clone());
    let part = || tokio.clone();
    let spawner = Spawner {
        tokio: part(),
        gate: gate.clone(),
    };
    let tcp = NoDelayTcp(part());
    CompoundRuntime::new(spawner, part(), part(), tcp, part(), part(), part())
}

/// Lets polls through until it is shut.
#[derive(Debug, Clone, Default)]
pub(super) struct Gate {
    /// Held for reading over each poll; true once it is shut.
    shut: Arc<RwLock<bool>>,
}

impl Gate {
    /// A future that is polled only while the gate is open; after that it never returns.
    pub(super) fn guard<F: Future>(&self, future: F) -> Gated<F> {
        Gated {
            future,
            gate: self.clone(),
            waited_for: false,
        }
    }

    /// Shuts it and waits until no poll is under way. Blocks, at most this long; what is polled
    /// then goes on.
    pub(super) fn shut(&self, patience: Duration) {
        let mut waited = Duration::ZERO;
        loop {
            match self.shut.try_write() {
                Ok(mut shut) => return *shut = true,
                Err(TryLockError::Poisoned(mut shut)) => return **shut.get_mut() = true,
                Err(TryLockError::WouldBlock) if waited < patience => {
                    sleep(PAUSE);
                    waited += PAUSE;
                }
                Err(TryLockError::WouldBlock) => return,
            }
        }
    }
}

pin_project! {
    /// A future behind a gate.
    pub(super) struct Gated<F> {
        #[pin]
        future: F,
        gate: Gate,
        // By a thread for blocking work, which cannot be ended from outside.
        waited_for: bool,
    }
}

impl<F: Future> Future for Gated<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        match this.gate.shut.read() {
            Ok(shut) if !*shut => this.future.poll(cx),
            // A thread that waits is to end: it unwinds, and nothing is printed.
            _ if *this.waited_for => resume_unwind(Box::new("the gate is shut")),
            _ => Poll::Pending,
        }
    }
}

/// Spawns tasks behind the gate.
#[derive(Debug, Clone)]
pub(crate) struct Spawner {
    tokio: Tokio,
    gate: Gate,
}

impl Spawn for Spawner {
    fn spawn_obj(&self, future: FutureObj<'static, ()>) -> Result<(), SpawnError> {
        let gated = Box::new(self.gate.guard(future));
        self.tokio.spawn_obj(gated.into())
    }
}

impl Blocking for Spawner {
    type ThreadHandle<T: Send + 'static> = <Tokio as Blocking>::ThreadHandle<T>;

    fn spawn_blocking<F, T>(&self, work: F) -> Self::ThreadHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.tokio.spawn_blocking(work)
    }

    fn reenter_block_on<F>(&self, future: F) -> F::Output
    where
        F: Future,
        F::Output: Send + 'static,
    {
        let gated = Gated {
            waited_for: true,
            ..self.gate.guard(future)
        };
        self.tokio.reenter_block_on(gated)
    }

    fn blocking_io<F, T>(&self, work: F) -> impl Future<Output = T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.tokio.blocking_io(work)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn once_it_is_shut_nothing_is_polled() {
        let runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = { runtime }.worker_threads(2).build().unwrap();
        let gate = Gate::default();
        let (polled, polls) = mpsc::sync_channel(1);
        // It wants to be polled all the time.
        let restless = std::future::poll_fn(move |cx| {
            cx.waker().wake_by_ref();
            let _ = polled.try_send(());
            Poll::<()>::Pending
        });
        runtime.spawn(gate.guard(restless));
        polls.recv().unwrap();
        gate.shut(Duration::from_secs(10));
        while polls.try_recv().is_ok() {}
        let none = polls.recv_timeout(Duration::from_millis(50));
        assert_eq!(none, Err(mpsc::RecvTimeoutError::Timeout));
    }

    #[test]
    fn a_thread_that_waits_ends() {
        let runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = { runtime }.worker_threads(1).enable_time().build().unwrap();
        let gate = Gate::default();
        let arti = over(runtime.handle(), &gate);
        let (told, waits) = mpsc::sync_channel(1);
        let waiting = runtime.spawn_blocking(move || {
            told.send(()).unwrap();
            arti.reenter_block_on(tokio::time::sleep(Duration::from_secs(3600)));
        });
        waits.recv().unwrap();
        gate.shut(Duration::from_secs(10));
        runtime.shutdown_timeout(Duration::from_secs(10));
        // Not when the time was up, but because it had ended.
        assert!(waiting.is_finished());
    }

    #[test]
    fn a_poll_that_does_not_end_is_not_waited_for() {
        let gate = Gate::default();
        let poll = gate.shut.read().unwrap();
        gate.shut(Duration::from_millis(20));
        assert!(!*poll);
    }
}
