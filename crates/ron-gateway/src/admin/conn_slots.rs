//! The connection slots of the admin endpoint, bounded in number.
//!
//! A new connection evicts the oldest one without a complete request, or else the oldest whose
//! response is being sent. A connection whose request is being handled keeps its slot: handling is
//! bounded by the work of the endpoint.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{yield_now, AbortHandle, JoinSet};
use tokio::time::{sleep_until, Instant};

/// Time for a request before its connection may be evicted.
const MIN_STAY: Duration = Duration::from_millis(2);

const READING: u8 = 0;
const HANDLING: u8 = 1;
const SENDING: u8 = 2;

/// The phase of a connection.
#[derive(Clone)]
pub(super) struct RequestPhase(Arc<PhaseState>);

struct PhaseState {
    phase: AtomicU8,
    changed: Arc<Notify>,
}

impl RequestPhase {
    /// Marks the request as complete.
    pub(super) fn handling(&self) {
        self.set(HANDLING);
    }

    /// Marks the response as being sent.
    pub(super) fn sending(&self) {
        self.set(SENDING);
    }

    fn set(&self, phase: u8) {
        self.0.phase.store(phase, Ordering::Relaxed);
        self.0.changed.notify_one();
    }

    fn is(&self, phase: u8) -> bool {
        self.0.phase.load(Ordering::Relaxed) == phase
    }
}

struct ConnSlot {
    since: Instant,
    phase: RequestPhase,
    task: AbortHandle,
}

/// The slots, in the order of accept.
pub(super) struct ConnSlots {
    max: usize,
    open: VecDeque<ConnSlot>,
    tasks: JoinSet<()>,
    changed: Arc<Notify>,
    evicted: u64,
}

impl ConnSlots {
    /// Creates slots for a number of descriptors.
    ///
    /// One descriptor is for the new connection that waits for a slot.
    pub(super) fn new(descriptors: usize) -> Self {
        Self {
            max: descriptors.saturating_sub(1).max(1),
            open: VecDeque::new(),
            tasks: JoinSet::new(),
            changed: Arc::default(),
            evicted: 0,
        }
    }

    /// Returns the number of evicted connections.
    pub(super) const fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Serves a new connection in a task, once it has a slot.
    pub(super) async fn take<F>(&mut self, serve: impl FnOnce(RequestPhase) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.make_room().await;
        let phase = RequestPhase(Arc::new(PhaseState {
            phase: AtomicU8::new(READING),
            changed: Arc::clone(&self.changed),
        }));
        let task = self.tasks.spawn(serve(phase.clone()));
        self.open.push_back(ConnSlot {
            since: Instant::now(),
            phase,
            task,
        });
        // Its request may have arrived already: read it before the next accept.
        yield_now().await;
    }

    async fn make_room(&mut self) {
        loop {
            while self.tasks.try_join_next().is_some() {}
            self.open.retain(|place| !place.task.is_finished());
            if self.open.len() < self.max {
                return;
            }
            let Some((at, from)) = self.victim() else {
                self.change().await;
                continue;
            };
            if from > Instant::now() {
                tokio::select! {
                    () = sleep_until(from) => {}
                    () = self.change() => {}
                }
            } else if let Some(place) = self.open.remove(at) {
                place.task.abort();
                self.evicted += 1;
                while !place.task.is_finished() && self.tasks.join_next().await.is_some() {}
            }
        }
    }

    /// Waits until a connection ends or changes its phase.
    async fn change(&mut self) {
        tokio::select! {
            _ = self.tasks.join_next() => {}
            () = self.changed.notified() => {}
        }
    }

    /// Returns the connection to evict, and its earliest eviction time.
    fn victim(&self) -> Option<(usize, Instant)> {
        let oldest = |phase| self.open.iter().position(|place| place.phase.is(phase));
        let at = oldest(READING).or_else(|| oldest(SENDING))?;
        Some((at, self.open.get(at)?.since + MIN_STAY))
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::Mutex;

    use tokio::sync::oneshot;
    use tokio::time::timeout;

    use super::*;

    /// Connections that never end, and the names of the open ones.
    struct Held {
        places: ConnSlots,
        open: Arc<Mutex<Vec<&'static str>>>,
    }

    impl Held {
        fn new(max: usize) -> Self {
            Self {
                places: ConnSlots::new(max + 1),
                open: Arc::default(),
            }
        }

        async fn take(&mut self, name: &'static str, act: fn(&RequestPhase)) {
            let open = Arc::clone(&self.open);
            let serve = move |phase: RequestPhase| async move {
                open.lock().unwrap().push(name);
                let _gone = Gone(open, name);
                act(&phase);
                pending::<()>().await;
            };
            self.places.take(serve).await;
        }

        fn open(&self) -> Vec<&'static str> {
            self.open.lock().unwrap().clone()
        }
    }

    struct Gone(Arc<Mutex<Vec<&'static str>>>, &'static str);

    impl Drop for Gone {
        fn drop(&mut self) {
            self.0.lock().unwrap().retain(|name| *name != self.1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn oldest_without_request_is_evicted() {
        let mut held = Held::new(3);
        held.take("answered", RequestPhase::sending).await;
        held.take("silent", |_| {}).await;
        held.take("worked on", RequestPhase::handling).await;
        held.take("new", |_| {}).await;
        assert_eq!(held.open(), ["answered", "worked on", "new"]);
        assert_eq!(held.places.evicted(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn sending_is_evicted_after_silent() {
        let mut held = Held::new(2);
        held.take("worked on", RequestPhase::handling).await;
        held.take("answered", RequestPhase::sending).await;
        held.take("new", |_| {}).await;
        assert_eq!(held.open(), ["worked on", "new"]);
    }

    #[tokio::test(start_paused = true)]
    async fn request_in_progress_is_not_evicted() {
        let mut held = Held::new(1);
        let (done, is_done) = oneshot::channel::<()>();
        let serve = |phase: RequestPhase| async move {
            phase.handling();
            let _ = is_done.await;
        };
        held.places.take(serve).await;
        let day = Duration::from_secs(86_400);
        assert!(timeout(day, held.take("new", |_| {})).await.is_err());
        done.send(()).unwrap();
        held.take("newer", |_| {}).await;
        assert_eq!(held.open(), ["newer"]);
    }

    #[tokio::test(start_paused = true)]
    async fn new_connection_has_time_for_its_request() {
        let mut held = Held::new(1);
        held.take("first", |_| {}).await;
        let begun = Instant::now();
        held.take("second", |_| {}).await;
        assert!(begun.elapsed() >= MIN_STAY);
        assert_eq!(held.open(), ["second"]);
    }
}
