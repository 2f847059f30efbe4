//! The only place that spawns tasks: each is tracked and counted.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
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

    /// Spawns a future as a task of this kind.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn spawn<F>(&self, kind: TaskKind, future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.spawn_counted(self.counted(kind, future));
    }

    /// Spawns a future that is not counted itself.
    ///
    /// It awaits [`counted`](Self::counted) futures, one kind of work after the other.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn spawn_counted<F>(&self, future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tracker.spawn(future);
    }

    /// Wraps a future that counts as a task from now on.
    pub fn counted<F: Future>(&self, kind: TaskKind, future: F) -> CountedTask<F> {
        self.observer.task_spawned(kind);
        let abort_counter = AbortCounter {
            kind,
            observer: Arc::clone(&self.observer),
            done: false,
        };
        CountedTask {
            future,
            abort_counter,
        }
    }

    /// Counts a task that was cancelled from within.
    pub fn aborted(&self, kind: TaskKind) {
        self.observer.task_aborted(kind);
    }

    /// Returns the number of running tasks.
    #[must_use]
    pub fn running(&self) -> usize {
        self.tracker.len()
    }

    /// Waits until no task runs. Tasks can still be spawned.
    ///
    /// # Cancel safety
    /// Cancel-safe.
    pub async fn wait(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }
}

pin_project! {
    /// A future that counts as a task. An `async` block would store the future twice.
    #[derive(Debug)]
    pub struct CountedTask<F> {
        #[pin]
        future: F,
        abort_counter: AbortCounter,
    }
}

impl<F: Future> Future for CountedTask<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let polled = this.future.poll(cx);
        this.abort_counter.done = polled.is_ready();
        polled
    }
}

/// Counts a task that ends by a panic, or with its runtime.
struct AbortCounter {
    kind: TaskKind,
    observer: Arc<dyn Observer>,
    done: bool,
}

impl std::fmt::Debug for AbortCounter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AbortCounter")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

impl Drop for AbortCounter {
    fn drop(&mut self) {
        if !self.done {
            self.observer.task_aborted(self.kind);
        }
    }
}
