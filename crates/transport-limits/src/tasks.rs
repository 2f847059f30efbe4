//! The one place where tasks are spawned: each is tracked, counted, and part of its connection.

use std::future::Future;
use std::sync::Arc;

use tokio_util::task::TaskTracker;
use transport_core::{Observer, TaskKind};

/// Spawns and tracks the tasks of one transport.
#[derive(Clone)]
pub struct Tasks {
    tracker: TaskTracker,
    observer: Arc<dyn Observer>,
}

impl std::fmt::Debug for Tasks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tasks")
            .field("running", &self.running())
            .finish_non_exhaustive()
    }
}

impl Tasks {
    pub(crate) fn new(observer: Arc<dyn Observer>) -> Self {
        Self {
            tracker: TaskTracker::new(),
            observer,
        }
    }

    /// Runs a future as a task of this kind, until it returns. Its output is dropped.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn spawn<F>(&self, kind: TaskKind, future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.observer.task_spawned(kind);
        let watch = Watch {
            kind,
            observer: Arc::clone(&self.observer),
            done: false,
        };
        self.tracker.spawn(async move {
            future.await;
            watch.done();
        });
    }

    /// Counts a task that was cancelled from within.
    pub fn aborted(&self, kind: TaskKind) {
        self.observer.task_aborted(kind);
    }

    /// How many tasks run.
    #[must_use]
    pub fn running(&self) -> usize {
        self.tracker.len()
    }

    /// Waits until no task is left. Tasks can still be spawned.
    ///
    /// # Cancel safety
    /// Cancel-safe.
    pub async fn wait(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }
}

/// Sees a task that ends without returning: by a panic, or with its runtime.
struct Watch {
    kind: TaskKind,
    observer: Arc<dyn Observer>,
    done: bool,
}

impl Watch {
    fn done(mut self) {
        self.done = true;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.done {
            self.observer.task_aborted(self.kind);
        }
    }
}
