//! The thread and the runtime of the admin endpoint.
//!
//! Neither a flood of requests nor one of peers delays the other.

use std::future::Future;
use std::thread::{Builder as ThreadBuilder, JoinHandle};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::JoinHandle as TaskHandle;

use super::listener::BoundAdmin;
use crate::exit::ExitFailure;
use crate::runtime;
use crate::settings::AdminAddr;

/// Niceness: the data plane has priority when cores are short.
const NICE: i32 = 10;

/// The thread. Its drop ends the tasks and waits for the thread.
pub(crate) struct AdminThread {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl AdminThread {
    /// Starts the thread early, before threads can become scarce.
    pub(crate) fn start() -> Result<Self, ExitFailure> {
        let own = runtime::build(Builder::new_current_thread())?;
        let handle = own.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread = ThreadBuilder::new().name("admin".to_owned());
        let thread = thread.spawn(move || {
            // Linux has a priority per thread; the endpoint also works without it.
            let _ = rustix::process::nice(NICE);
            let _ = own.block_on(stopped);
        });
        let thread = thread.map_err(|error| ExitFailure::runtime(runtime::NO_THREAD, &error))?;
        Ok(Self {
            handle,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Runs a future on the thread; a dropped handle leaves it running.
    pub(crate) fn run<F>(&self, future: F) -> TaskHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.handle.spawn(future)
    }

    /// Returns the binder of the endpoint.
    pub(crate) fn binds(&self) -> AdminBinder {
        AdminBinder(self.handle.clone())
    }
}

/// Binds the endpoint on its thread, whose reactor owns the socket.
pub(crate) struct AdminBinder(Handle);

impl AdminBinder {
    pub(crate) async fn to(&self, addr: &AdminAddr) -> Result<BoundAdmin, ExitFailure> {
        let bound = self.0.spawn(BoundAdmin::bind(addr.clone())).await;
        bound.map_err(|error| ExitFailure::runtime("cannot bind admin_addr", &error))?
    }
}

impl Drop for AdminThread {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // The panic hook has reported a panic already.
            let _ = thread.join();
        }
    }
}
