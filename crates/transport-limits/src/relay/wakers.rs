//! Records which direction of a relay was woken.
//!
//! Both directions run in one task. A poll of a direction that nothing has woken would only register
//! its wakers again.

use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use crate::sync::{AtomicBool, Ordering};

/// Wakes the relay's task for one direction.
struct DirectionWaker {
    task: Waker,
    is_woken: AtomicBool,
}

impl Wake for DirectionWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Before the task is woken, so that its poll finds the flag. A swap, not a store: it continues
        // the release sequence of an earlier wake-up, whose data the poll must see too.
        self.is_woken.swap(true, Ordering::Release);
        self.task.wake_by_ref();
    }
}

/// The wake-ups of one direction.
#[derive(Default)]
pub(super) struct WakeUps(Option<(Arc<DirectionWaker>, Waker)>);

impl WakeUps {
    /// Runs a poll if the direction was woken or its task changed.
    pub(super) fn poll_woken<T>(
        &mut self,
        task: &Waker,
        poll: impl FnOnce(&mut Context<'_>) -> T,
    ) -> Option<T> {
        let known = self.0.take().filter(|(it, _)| it.task.will_wake(task));
        let (waker, context) = self.0.insert(known.unwrap_or_else(|| {
            let waker = Arc::new(DirectionWaker {
                task: task.clone(),
                is_woken: AtomicBool::new(true),
            });
            (Arc::clone(&waker), Waker::from(waker))
        }));
        // Cleared before the poll: a wake-up during it is for the next one.
        let is_woken = waker.is_woken.swap(false, Ordering::Acquire);
        is_woken.then(|| poll(&mut Context::from_waker(context)))
    }

    /// Makes the next poll run.
    pub(super) fn wake(&mut self) {
        if let Some((waker, _)) = &self.0 {
            // A swap, as in `wake_by_ref`.
            waker.is_woken.swap(true, Ordering::Relaxed);
        }
    }
}

#[cfg(all(test, ron_loom))]
mod loom_models;

#[cfg(all(test, not(ron_loom)))]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Default)]
    struct WakeCount(AtomicUsize);

    impl Wake for WakeCount {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Polls, and returns the waker of a poll that ran.
    fn poll(direction: &mut WakeUps, task: &Waker) -> Option<Waker> {
        direction.poll_woken(task, |cx| cx.waker().clone())
    }

    #[test]
    fn poll_runs_once_per_wake_up() {
        let task = Arc::new(WakeCount::default());
        let waker = Waker::from(Arc::clone(&task));
        let mut direction = WakeUps::default();
        let first = poll(&mut direction, &waker).expect("the first poll runs");
        assert!(poll(&mut direction, &waker).is_none());
        first.wake_by_ref();
        first.wake_by_ref();
        assert_eq!(task.0.load(Ordering::Relaxed), 2);
        assert!(poll(&mut direction, &waker).is_some_and(|again| again.will_wake(&first)));
        assert!(poll(&mut direction, &waker).is_none());
        direction.wake();
        assert!(poll(&mut direction, &waker).is_some());
    }

    #[test]
    fn wake_up_during_poll_not_lost() {
        let waker = Waker::from(Arc::new(WakeCount::default()));
        let mut direction = WakeUps::default();
        direction.poll_woken(&waker, |cx| cx.waker().wake_by_ref());
        assert!(poll(&mut direction, &waker).is_some());
    }

    #[test]
    fn poll_runs_in_other_task() {
        let (one, other) = (
            Arc::new(WakeCount::default()),
            Arc::new(WakeCount::default()),
        );
        let mut direction = WakeUps::default();
        poll(&mut direction, &Waker::from(one));
        let moved = poll(&mut direction, &Waker::from(Arc::clone(&other)));
        moved.expect("the poll runs").wake();
        assert_eq!(other.0.load(Ordering::Relaxed), 1);
    }
}
