//! The connections of the admin endpoint: a bounded number, of which the oldest makes room.
//!
//! A newcomer takes the place of the oldest connection without a complete request, else of the
//! oldest whose answer is on its way to a client that does not close. A request that is being
//! answered keeps its place: that takes no longer than the endpoint's own work.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{yield_now, AbortHandle, JoinSet};
use tokio::time::{sleep_until, Instant};

/// How long a connection is left to bring its request before another one takes its place.
const MIN_STAY: Duration = Duration::from_millis(2);

const READING: u8 = 0;
const HANDLING: u8 = 1;
const SENDING: u8 = 2;

/// How far a connection is.
#[derive(Clone)]
pub(super) struct RequestPhase(Arc<PhaseState>);

struct PhaseState {
    phase: AtomicU8,
    changed: Arc<Notify>,
}

impl RequestPhase {
    /// The request is complete.
    pub(super) fn handling(&self) {
        self.set(HANDLING);
    }

    /// The answer is known and on its way.
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

/// The places, in the order in which they were taken.
pub(super) struct ConnSlots {
    max: usize,
    open: VecDeque<ConnSlot>,
    tasks: JoinSet<()>,
    changed: Arc<Notify>,
    evicted: u64,
}

impl ConnSlots {
    /// With this many descriptors: one of them is for the newcomer that waits for a place.
    pub(super) fn new(descriptors: usize) -> Self {
        Self {
            max: descriptors.saturating_sub(1).max(1),
            open: VecDeque::new(),
            tasks: JoinSet::new(),
            changed: Arc::default(),
            evicted: 0,
        }
    }

    /// Connections that were ended to make room, so far.
    pub(super) const fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Serves a newcomer as a task, once it has a place.
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
        // The newcomer's request may be in its socket already: it is read before the next accept.
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

    /// Waits until a connection ends or gets on.
    async fn change(&mut self) {
        tokio::select! {
            _ = self.tasks.join_next() => {}
            () = self.changed.notified() => {}
        }
    }

    /// The connection that makes room, and from when on it may be ended.
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

    /// Connections that never end by themselves, and the phases of those that are open.
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
    async fn oldest_without_request_makes_room() {
        let mut held = Held::new(3);
        held.take("answered", RequestPhase::sending).await;
        held.take("silent", |_| {}).await;
        held.take("worked on", RequestPhase::handling).await;
        held.take("new", |_| {}).await;
        assert_eq!(held.open(), ["answered", "worked on", "new"]);
        assert_eq!(held.places.evicted(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn answered_makes_room_after_silent() {
        let mut held = Held::new(2);
        held.take("worked on", RequestPhase::handling).await;
        held.take("answered", RequestPhase::sending).await;
        held.take("new", |_| {}).await;
        assert_eq!(held.open(), ["worked on", "new"]);
    }

    #[tokio::test(start_paused = true)]
    async fn work_in_progress_is_never_cut() {
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
    async fn newcomer_has_time_for_its_request() {
        let mut held = Held::new(1);
        held.take("first", |_| {}).await;
        let begun = Instant::now();
        held.take("second", |_| {}).await;
        assert!(begun.elapsed() >= MIN_STAY);
        assert_eq!(held.open(), ["second"]);
    }
}
