//! Runs two futures in turns, one of which is counted.
//!
//! Each is polled only when its own waker was called, so the number of polls is fixed.

use std::future::{poll_fn, Future};
use std::pin::{pin, Pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

/// Polls the measured side; valgrind counts the instructions of this function.
#[inline(never)]
fn poll_measured(future: Pin<&mut dyn Future<Output = ()>>, cx: &mut Context<'_>) -> Poll<()> {
    future.poll(cx)
}

/// Runs both futures to their ends.
///
/// The polls of the first count if `counted`.
pub(crate) async fn both(
    counted: bool,
    measured: impl Future<Output = ()>,
    other: impl Future<Output = ()>,
) {
    turns(counted, pin!(measured), pin!(other), true).await;
}

/// Runs both futures to the end of the second.
///
/// The polls of the first count if `counted`.
pub(crate) async fn until_end(
    counted: bool,
    measured: Pin<&mut dyn Future<Output = ()>>,
    other: impl Future<Output = ()>,
) {
    turns(counted, measured, pin!(other), false).await;
}

async fn turns(
    counted: bool,
    mut measured: Pin<&mut dyn Future<Output = ()>>,
    mut other: Pin<&mut dyn Future<Output = ()>>,
    needs_both: bool,
) {
    let flags = [WakeFlag::new(), WakeFlag::new()];
    let wakers = [0, 1].map(|at: usize| Waker::from(Arc::clone(&flags[at])));
    let mut ended = [false; 2];
    poll_fn(|cx| {
        for flag in &flags {
            *flag.outer.lock().unwrap() = Some(cx.waker().clone());
        }
        if !ended[0] && flags[0].take() {
            let mut cx = Context::from_waker(&wakers[0]);
            let polled = if counted {
                poll_measured(measured.as_mut(), &mut cx)
            } else {
                measured.as_mut().poll(&mut cx)
            };
            ended[0] = polled.is_ready();
        }
        if !ended[1] && flags[1].take() {
            let mut cx = Context::from_waker(&wakers[1]);
            ended[1] = other.as_mut().poll(&mut cx).is_ready();
        }
        if ended[1] && (ended[0] || !needs_both) {
            return Poll::Ready(());
        }
        Poll::Pending
    })
    .await;
}

struct WakeFlag {
    woken: AtomicBool,
    outer: Mutex<Option<Waker>>,
}

impl WakeFlag {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            woken: AtomicBool::new(true),
            outer: Mutex::new(None),
        })
    }

    fn take(&self) -> bool {
        self.woken.swap(false, Ordering::SeqCst)
    }
}

impl Wake for WakeFlag {
    fn wake(self: Arc<Self>) {
        if !self.woken.swap(true, Ordering::SeqCst) {
            if let Some(outer) = &*self.outer.lock().unwrap() {
                outer.wake_by_ref();
            }
        }
    }
}
