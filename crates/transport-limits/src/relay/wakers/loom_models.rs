//! Wake-ups from another thread. A lost one would be a relay that stalls.

#![allow(clippy::unwrap_used)]

use std::future::poll_fn;
use std::task::Poll;

use loom::future::block_on;
use loom::sync::atomic::AtomicU64;
use loom::thread;

use super::*;

/// The waker of the task, which its clones equal.
///
/// A clone of loom's own waker may differ from it (`will_wake`), so that every poll would run.
struct TaskWaker(Waker);

impl TaskWaker {
    fn of(waker: &Waker) -> Waker {
        let task = Waker::from(Arc::new(Self(waker.clone())));
        assert!(task.will_wake(&task.clone()));
        task
    }
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.0.wake_by_ref();
    }
}

/// Returns the waker that a poll registers with its source.
fn registered(wakes: &mut WakeUps, task: &Waker) -> Waker {
    wakes.poll_woken(task, |cx| cx.waker().clone()).unwrap()
}

/// Starts a source that becomes ready, and then wakes its direction.
fn source(arrived: &Arc<AtomicU64>, waker: Waker) -> thread::JoinHandle<()> {
    let arrived = Arc::clone(arrived);
    thread::spawn(move || {
        arrived.fetch_add(1, Ordering::Relaxed);
        waker.wake();
    })
}

/// Polls a direction until every source is ready.
fn poll_until_ready(sources: u64) {
    let arrived = Arc::new(AtomicU64::new(0));
    let (mut wakes, mut started, mut task) = (WakeUps::default(), Vec::new(), None);
    block_on(poll_fn(|cx| {
        let task = task.get_or_insert_with(|| TaskWaker::of(cx.waker()));
        if started.is_empty() {
            let waker = registered(&mut wakes, task);
            started.extend((0..sources).map(|_| source(&arrived, waker.clone())));
        }
        match wakes.poll_woken(task, |_| arrived.load(Ordering::Relaxed)) {
            Some(ready) if ready == sources => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }));
    for source in started {
        source.join().unwrap();
    }
}

/// A wake-up leads to a poll that sees the data.
#[test]
fn wake_up_beside_poll_not_lost() {
    loom::model(|| poll_until_ready(1));
}

/// Of two sources, neither hides the wake-up of the other.
#[test]
fn wake_ups_of_two_sources_not_lost() {
    crate::loom_models::check_bounded(3, || poll_until_ready(2));
}
