//! The thread of the admin endpoint, with a runtime of its own: neither a flood of requests nor one
//! of peers keeps the other waiting.

use std::future::Future;
use std::thread::{Builder as ThreadBuilder, JoinHandle};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::JoinHandle as TaskHandle;

use super::listener::BoundAdmin;
use crate::exit::ExitFailure;
use crate::runtime;
use crate::settings::AdminAddr;

/// How much below the data plane the thread's priority is: where cores are short, the data plane is
/// served first.
const NICE: i32 = 10;

/// The thread. Dropping it ends its tasks and waits for that.
pub(crate) struct AdminThread {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl AdminThread {
    /// Starts it, so that no shortage of threads stops the endpoint later.
    pub(crate) fn start() -> Result<Self, ExitFailure> {
        let own = runtime::build(Builder::new_current_thread())?;
        let handle = own.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread = ThreadBuilder::new().name("admin".to_owned());
        let thread = thread.spawn(move || {
            // Linux has a priority for each thread; without it the endpoint works all the same.
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

    /// Runs a future on the thread. A dropped handle leaves it running.
    pub(crate) fn run<F>(&self, future: F) -> TaskHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.handle.spawn(future)
    }

    /// Returns a handle that binds the endpoint.
    pub(crate) fn binds(&self) -> AdminBinder {
        AdminBinder(self.handle.clone())
    }
}

/// AdminBinder the endpoint on its thread, whose reactor then has the socket.
pub(crate) struct AdminBinder(Handle);

impl AdminBinder {
    pub(crate) async fn to(&self, addr: &AdminAddr) -> Result<BoundAdmin, ExitFailure> {
        let bound = self.0.spawn(BoundAdmin::bind(addr.clone())).await;
        bound.map_err(|error| ExitFailure::runtime("cannot bind for admin", &error))?
    }
}

impl Drop for AdminThread {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic was reported where it happened.
            let _ = thread.join();
        }
    }
}
