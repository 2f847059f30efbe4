//! The one place where tasks are spawned: each is tracked, counted, and part of its connection.

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

    /// Runs a future as a task of this kind, until it returns. Its output is dropped.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn spawn<F>(&self, kind: TaskKind, future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.spawn_counted(self.counted(kind, future));
    }

    /// Runs a future as a task that counts for nothing by itself: it runs what is [`counted`], one
    /// kind of work after the other.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    ///
    /// [`counted`]: Self::counted
    pub fn spawn_counted<F>(&self, future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tracker.spawn(future);
    }

    /// A future that counts as a task of this kind, from now on.
    pub fn counted<F: Future>(&self, kind: TaskKind, future: F) -> CountedTask<F> {
        self.observer.task_spawned(kind);
        let watch = AbortCounter {
            kind,
            observer: Arc::clone(&self.observer),
            done: false,
        };
        CountedTask { future, watch }
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

pin_project! {
    /// A future and who watches its end; an `async` block would hold the future twice.
    #[derive(Debug)]
    pub struct CountedTask<F> {
        #[pin]
        future: F,
        watch: AbortCounter,
    }
}

impl<F: Future> Future for CountedTask<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let polled = this.future.poll(cx);
        this.watch.done = polled.is_ready();
        polled
    }
}

/// Sees a task that ends without returning: by a panic, or with its runtime.
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
