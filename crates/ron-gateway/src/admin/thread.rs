//! The thread and the runtime of the admin endpoint.
//!
//! Neither a flood of requests nor one of peers delays the other.

use std::future::Future;

use tokio::runtime::Handle;
use tokio::task::JoinHandle as TaskHandle;

use super::listener::BoundAdmin;
use crate::exit::ExitFailure;
use crate::runtime_thread::RuntimeThread;
use crate::settings::AdminAddr;

/// Niceness: the data plane has priority when cores are short.
const NICE: i32 = 10;

/// The thread. Its drop ends the tasks and waits for the thread.
pub(crate) struct AdminThread(RuntimeThread);

impl AdminThread {
    /// Starts the thread early, before threads can become scarce.
    pub(crate) fn start() -> Result<Self, ExitFailure> {
        // Linux has a priority per thread; the endpoint also works without it.
        let nice = || {
            let _ = rustix::process::nice(NICE);
        };
        RuntimeThread::start("admin".to_owned(), nice).map(Self)
    }

    /// Returns the handle of the runtime.
    pub(crate) const fn handle(&self) -> &Handle {
        self.0.handle()
    }

    /// Runs a future on the thread; a dropped handle leaves it running.
    pub(crate) fn run<F>(&self, future: F) -> TaskHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.0.handle().spawn(future)
    }

    /// Returns the binder of the endpoint.
    pub(crate) fn binds(&self) -> AdminBinder {
        AdminBinder(self.0.handle().clone())
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
