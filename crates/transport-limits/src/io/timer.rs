//! One timer for each half, made when it first waits and re-armed only when it fires or when a
//! nearer deadline appears.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{sleep_until, Sleep};

use crate::limiter::Limiter;

#[derive(Debug)]
pub(super) struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    armed_for: u64,
}

impl Timer {
    pub(super) const fn new() -> Self {
        Self {
            sleep: None,
            armed_for: 0,
        }
    }

    /// Ready when the timer fired, which may be before `deadline`: the caller reckons anew.
    pub(super) fn poll(
        &mut self,
        limiter: &Limiter,
        deadline: u64,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let sleep = self.sleep.get_or_insert_with(|| {
            self.armed_for = deadline;
            Box::pin(sleep_until(limiter.instant(deadline)))
        });
        if deadline < self.armed_for || sleep.is_elapsed() {
            self.armed_for = deadline;
            sleep.as_mut().reset(limiter.instant(deadline));
        }
        sleep.as_mut().poll(cx)
    }
}
