//! A lazy timer for one half of a stream.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{sleep_until, Sleep};

use crate::core::Core;

/// Created by the first wait. It is re-armed when it fires or for an earlier deadline.
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

    /// Returns whether an armed timer will fire by `deadline`; registers the task.
    pub(super) fn poll_armed(&mut self, deadline: u64, cx: &mut Context<'_>) -> bool {
        match &mut self.sleep {
            Some(sleep) if self.armed_for <= deadline => sleep.as_mut().poll(cx).is_pending(),
            _ => false,
        }
    }

    /// Ready when the timer fired, possibly before `deadline`.
    ///
    /// The caller checks its deadlines.
    pub(super) fn poll(&mut self, core: &Core, deadline: u64, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self.sleep.get_or_insert_with(|| {
            self.armed_for = deadline;
            Box::pin(sleep_until(core.instant(deadline)))
        });
        if deadline < self.armed_for || sleep.is_elapsed() {
            self.armed_for = deadline;
            sleep.as_mut().reset(core.instant(deadline));
        }
        sleep.as_mut().poll(cx)
    }
}
