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
        self.observer.task_spawned(kind);
        let watch = Watch {
            kind,
            observer: Arc::clone(&self.observer),
            done: false,
        };
        self.tracker.spawn(Tracked { future, watch });
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
    struct Tracked<F> {
        #[pin]
        future: F,
        watch: Watch,
    }
}

impl<F: Future<Output = ()>> Future for Tracked<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let polled = this.future.poll(cx);
        this.watch.done = polled.is_ready();
        polled
    }
}

/// Sees a task that ends without returning: by a panic, or with its runtime.
struct Watch {
    kind: TaskKind,
    observer: Arc<dyn Observer>,
    done: bool,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.done {
            self.observer.task_aborted(self.kind);
        }
    }
}
