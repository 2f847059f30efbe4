//! Waits for the end of a connection, and evaluates its deadlines meanwhile.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;
use tokio::sync::futures::Notified;
use tokio::time::{sleep, sleep_until, Sleep};
use transport_core::TransportError;

use crate::clock::duration;
use crate::conn_state::{ConnState, WatchGuard};
use crate::grace::turn;

pin_project! {
    /// The future of [`Control::ended`](crate::Control::ended).
    ///
    /// Each served connection holds one. An `async` block would also store a reference to each field.
    pub(crate) struct EndWatcher<'a> {
        #[pin]
        notified: Notified<'a>,
        // The next evaluation; `None` before the first.
        #[pin]
        timer: Option<Sleep>,
        // The waker that the timer and the notification have.
        registered: Option<Waker>,
        // The deadline after which the reactor polls the sockets once more; the maximum for none.
        judged: u64,
        // Notifications seen so far.
        seen: u32,
        watching: WatchGuard<'a>,
    }
}

impl<'a> EndWatcher<'a> {
    pub(crate) fn new(conn: &'a ConnState) -> Self {
        // Read before the notification exists, so that no later one is missed.
        let seen = conn.notices();
        Self {
            notified: conn.ended.notified(),
            timer: None,
            registered: None,
            judged: u64::MAX,
            seen,
            watching: conn.watch(),
        }
    }
}

impl Future for EndWatcher<'_> {
    type Output = TransportError;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<TransportError> {
        let mut this = self.project();
        let conn = this.watching.conn();
        let waker = this.registered.as_ref();
        let is_known = waker.is_some_and(|waker| waker.will_wake(cx.waker()));
        let is_asleep = |timer: &Sleep| !timer.is_elapsed();
        // A handler's task polls this with each of its own polls.
        if is_known
            && conn.notices() == *this.seen
            && this
                .timer
                .as_ref()
                .as_pin_ref()
                .is_some_and(|it| is_asleep(&it))
        {
            return Poll::Pending;
        }
        loop {
            let mut is_notified = false;
            // The last poll registers the task, before the state is read.
            while this.notified.as_mut().poll(cx).is_ready() {
                is_notified = true;
                *this.seen = conn.notices();
                this.notified.set(conn.ended.notified());
            }
            if let Some(timer) = this.timer.as_mut().as_pin_mut() {
                // The reactor's turn is not cut short.
                let is_early = !is_notified || *this.judged != u64::MAX;
                if timer.poll(cx).is_pending() && is_early {
                    if !is_known {
                        *this.registered = Some(cx.waker().clone());
                    }
                    return Poll::Pending;
                }
            }
            if let Some(error) = conn.end() {
                // An operation was under way when the connection ended.
                conn.close_ended();
                return Poll::Ready(error);
            }
            let now = conn.core.now();
            let (deadline, op, leg) = conn.next_end();
            let timer = if deadline > now {
                *this.judged = u64::MAX;
                conn.watched_at(deadline);
                Some(sleep_until(conn.core.instant(deadline)))
            } else if *this.judged == deadline {
                leg.as_deref().unwrap_or(conn).expire(op);
                None
            } else {
                *this.judged = deadline;
                Some(sleep(turn(duration(now - deadline))))
            };
            this.timer.set(timer);
        }
    }
}
