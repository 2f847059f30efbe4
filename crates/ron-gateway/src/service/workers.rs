//! The workers: threads that accept connections and serve them.
//!
//! Each has a runtime of its own, and a connection stays on the worker that accepted it.

use std::future::Future;
use std::num::NonZeroUsize;

use ron_transport::TransportError;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use crate::exit::ExitFailure;
use crate::runtime_thread::{spawn_on_each, RuntimeThread};

/// The threads of the data plane. Their drop ends all connections.
pub(super) struct Workers(Vec<RuntimeThread>);

impl Workers {
    /// Starts this many threads.
    pub(super) fn start(count: NonZeroUsize) -> Result<Self, ExitFailure> {
        let worker = |at| RuntimeThread::start(format!("worker-{at}"), || {});
        (0..count.get())
            .map(worker)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Returns the number of workers.
    pub(super) fn count(&self) -> NonZeroUsize {
        NonZeroUsize::new(self.0.len()).unwrap_or(NonZeroUsize::MIN)
    }

    /// Returns the runtime of each worker.
    pub(super) fn handles(&self) -> impl Iterator<Item = Handle> + '_ {
        self.0.iter().map(|worker| worker.handle().clone())
    }

    /// Runs an accept loop on each worker.
    ///
    /// Ends when all loops have ended, or with the first failure. Dropping the future ends them.
    pub(super) fn serve<F>(
        &self,
        accept_loop: impl Fn() -> F,
    ) -> impl Future<Output = Result<(), ExitFailure>>
    where
        F: Future<Output = Result<(), TransportError>> + Send + 'static,
    {
        let mut serving = spawn_on_each(&self.0, accept_loop);
        async move {
            while let Some(ended) = serving.join_next().await {
                ended.map_err(|error| ExitFailure::runtime("a worker failed", &error))??;
            }
            Ok(())
        }
    }

    /// Runs a future on each worker, until the set is dropped.
    pub(super) fn each<F>(&self, task: impl Fn() -> F) -> JoinSet<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        spawn_on_each(&self.0, task)
    }
}
