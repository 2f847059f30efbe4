//! A lazy timer for one half of a stream.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::{sleep_until, Instant, Sleep};

use crate::core::Core;
use crate::grace::Grace;

/// Created by the first wait. It is re-armed when it fires or for an earlier deadline.
#[derive(Debug)]
pub(super) struct Timer(Option<Pin<Box<ArmedTimer>>>);

pin_project! {
    #[derive(Debug)]
    struct ArmedTimer {
        #[pin]
        sleep: Sleep,
        grace: Grace,
    }
}

impl Timer {
    pub(super) const fn new() -> Self {
        Self(None)
    }

    /// Returns whether an armed timer will fire by `deadline`; registers the task.
    pub(super) fn poll_armed(&mut self, core: &Core, deadline: u64, cx: &mut Context<'_>) -> bool {
        match &mut self.0 {
            Some(timer) if timer.sleep.deadline() <= core.instant(deadline) => {
                timer.as_mut().project().sleep.poll(cx).is_pending()
            }
            _ => false,
        }
    }

    /// Ready when the timer fired, possibly before `deadline`.
    ///
    /// The caller checks its deadlines.
    pub(super) fn poll(&mut self, core: &Core, deadline: u64, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = core.instant(deadline);
        let mut sleep = self.armed(deadline).project().sleep;
        if deadline < sleep.deadline() || sleep.is_elapsed() {
            sleep.as_mut().reset(deadline);
        }
        sleep.poll(cx)
    }

    /// Ready once the reactor has had its turn, `late` after a deadline.
    pub(super) fn poll_turn(&mut self, cx: &mut Context<'_>, late: Duration) -> Poll<()> {
        self.armed(Instant::now()).project().grace.poll(cx, late)
    }

    /// Prepares a turn for the next deadline.
    pub(super) fn end_turn(&mut self) {
        if let Some(timer) = &mut self.0 {
            timer.as_mut().project().grace.reset();
        }
    }

    /// Returns the timer; the first call arms it.
    fn armed(&mut self, deadline: Instant) -> Pin<&mut ArmedTimer> {
        let timer = self.0.get_or_insert_with(|| {
            Box::pin(ArmedTimer {
                sleep: sleep_until(deadline),
                grace: Grace::default(),
            })
        });
        timer.as_mut()
    }
}
