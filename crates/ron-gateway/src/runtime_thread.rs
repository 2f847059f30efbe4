//! A thread with a runtime of its own.

use std::future::Future;
use std::thread::{Builder as ThreadBuilder, JoinHandle};

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::exit::ExitFailure;
use crate::runtime;

/// A thread with a current-thread runtime.
///
/// Its drop ends the tasks and waits for the thread.
pub(crate) struct RuntimeThread {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl RuntimeThread {
    /// Starts the thread, which runs `before` first.
    pub(crate) fn start(
        name: String,
        before: impl FnOnce() + Send + 'static,
    ) -> Result<Self, ExitFailure> {
        let own = runtime::build_for_thread()?;
        let handle = own.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread = ThreadBuilder::new().name(name).spawn(move || {
            before();
            let _ = own.block_on(stopped);
            // Do not wait for a pending name lookup.
            own.shutdown_background();
        });
        let thread = thread.map_err(|error| ExitFailure::runtime(runtime::NO_THREAD, &error))?;
        Ok(Self {
            handle,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Returns the handle of the runtime.
    pub(crate) const fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for RuntimeThread {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // The panic hook has reported a panic already.
            let _ = thread.join();
        }
    }
}

/// Runs a future on several threads at once.
pub(crate) fn spawn_on_each<F>(
    threads: &[RuntimeThread],
    make: impl Fn() -> F,
) -> tokio::task::JoinSet<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let mut running = tokio::task::JoinSet::new();
    for thread in threads {
        running.spawn_on(make(), thread.handle());
    }
    running
}
