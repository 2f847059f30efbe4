//! Blocking work on a bounded number of threads.
//!
//! If the system cannot start a thread, a runtime's own pool panics, or queues the job for threads
//! that may never become free.

#[cfg(all(test, ron_loom))]
mod loom_models;
#[cfg(all(test, not(ron_loom)))]
mod tests;

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::{oneshot, Semaphore};

use crate::sync::{thread, Condvar, Mutex, MutexGuard};

/// Longest wait of a thread for a job. The last thread waits indefinitely.
///
/// Tests wait for its end.
const KEEP_ALIVE: Duration = Duration::from_millis(if cfg!(test) { 200 } else { 10_000 });

type Job = Box<dyn FnOnce() + Send>;

/// A bounded number of threads that run blocking jobs. Clones share them.
///
/// Threads start on demand. The last one stays until every clone is dropped. The first thread that
/// becomes free takes the oldest waiting job.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let threads = transport_limits::Threads::new("files", 1);
/// threads.start()?;
/// let text = threads.run(|| std::fs::read_to_string("/proc/self/comm")).await?;
/// # let _ = text;
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone)]
pub struct Threads(Arc<PoolOwner>);

/// Ends the threads when the last clone is dropped.
struct PoolOwner {
    pool: Arc<ThreadPool>,
    /// One place per possible thread. A job keeps its place until it ends.
    places: Arc<Semaphore>,
}

struct ThreadPool {
    name: &'static str,
    max: usize,
    state: Mutex<PoolState>,
    changed: Condvar,
}

#[derive(Default)]
struct PoolState {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
    closed: bool,
}

impl Threads {
    /// Creates a pool of at most `max` threads without starting any.
    ///
    /// At least one thread is allowed.
    #[must_use]
    pub fn new(name: &'static str, max: usize) -> Self {
        let max = max.max(1);
        let pool = ThreadPool {
            name,
            max,
            state: Mutex::default(),
            changed: Condvar::new(),
        };
        Self(Arc::new(PoolOwner {
            pool: Arc::new(pool),
            places: Arc::new(Semaphore::new(max)),
        }))
    }

    /// Starts the first thread. So no later job depends on a new one.
    ///
    /// # Errors
    /// When the system cannot start a thread; [`run`](Self::run) then tries again.
    pub fn start(&self) -> io::Result<()> {
        let pool = &self.0.pool;
        let mut state = pool.lock();
        match state.threads {
            0 => pool.spawn(&mut state),
            _ => Ok(()),
        }
    }

    /// Runs a blocking job on a thread, and returns its result.
    ///
    /// The job runs in the current span of the caller.
    ///
    /// # Errors
    /// When no thread runs and the system cannot start one, or when the job panicked.
    ///
    /// # Cancel safety
    /// A job that has not begun when the call is dropped never runs. A job that has begun runs to its
    /// end, and keeps its thread until then.
    pub async fn run<T, F>(&self, job: F) -> io::Result<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let place = Arc::clone(&self.0.places).acquire_owned().await;
        let place = place.map_err(io::Error::other)?;
        let (done, result) = oneshot::channel();
        let span = tracing::Span::current();
        self.0.pool.push(Box::new(move || {
            if !done.is_closed() {
                let value = span.in_scope(job);
                // Before the result is sent, so that the place is free when the caller continues.
                drop(place);
                let _ = done.send(value);
            }
        }))?;
        result
            .await
            .map_err(|_| io::Error::other("blocking job panicked"))
    }

    /// Returns how many more jobs may run now.
    #[must_use]
    pub fn free(&self) -> usize {
        self.0.places.available_permits()
    }
}

impl fmt::Debug for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Threads")
            .field("name", &self.0.pool.name)
            .field("free", &self.free())
            .finish_non_exhaustive()
    }
}

impl Drop for PoolOwner {
    fn drop(&mut self) {
        self.pool.lock().closed = true;
        self.pool.changed.notify_all();
    }
}

impl ThreadPool {
    fn lock(&self) -> MutexGuard<'_, PoolState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a job; starts a thread if none is idle.
    fn push(self: &Arc<Self>, job: Job) -> io::Result<()> {
        let mut state = self.lock();
        state.jobs.push_back(job);
        if state.idle < state.jobs.len() && state.threads < self.max {
            match self.spawn(&mut state) {
                Err(error) if state.threads == 0 => {
                    state.jobs.pop_back();
                    return Err(error);
                }
                // A busy thread takes the job later.
                Err(_) | Ok(()) => {}
            }
        }
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    fn spawn(self: &Arc<Self>, state: &mut PoolState) -> io::Result<()> {
        let pool = Arc::clone(self);
        let thread = thread::Builder::new().name(self.name.to_owned());
        thread.spawn(move || pool.work())?;
        state.threads += 1;
        // Counted as idle before it waits: it takes the next job.
        state.idle += 1;
        Ok(())
    }

    /// Runs jobs until the pool is closed, or without jobs.
    fn work(&self) {
        let mut state = self.lock();
        state.idle -= 1;
        loop {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                // A panic drops the result sender, which fails the caller.
                let _ = catch_unwind(AssertUnwindSafe(job));
                state = self.lock();
                continue;
            }
            if state.closed {
                break;
            }
            let is_last = state.threads == 1;
            state.idle += 1;
            let timed_out;
            (state, timed_out) = self.wait(state, is_last);
            state.idle -= 1;
            if timed_out && state.jobs.is_empty() && state.threads > 1 {
                break;
            }
        }
        state.threads -= 1;
    }

    fn wait<'a>(
        &self,
        state: MutexGuard<'a, PoolState>,
        is_last: bool,
    ) -> (MutexGuard<'a, PoolState>, bool) {
        if is_last {
            let state = self.changed.wait(state);
            return (state.unwrap_or_else(PoisonError::into_inner), false);
        }
        let waited = self.changed.wait_timeout(state, KEEP_ALIVE);
        let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        (state, timeout.timed_out())
    }
}
