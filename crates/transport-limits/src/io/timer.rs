//! A lazy timer for one half of a stream.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{sleep_until, Sleep};

use crate::core::Core;

/// Created by the first wait. It is re-armed when it fires or for an earlier deadline.
#[derive(Debug)]
pub(super) struct Timer(Option<Pin<Box<Sleep>>>);

impl Timer {
    pub(super) const fn new() -> Self {
        Self(None)
    }

    /// Returns whether an armed timer will fire by `deadline`; registers the task.
    pub(super) fn poll_armed(&mut self, core: &Core, deadline: u64, cx: &mut Context<'_>) -> bool {
        match &mut self.0 {
            Some(sleep) if sleep.deadline() <= core.instant(deadline) => {
                sleep.as_mut().poll(cx).is_pending()
            }
            _ => false,
        }
    }

    /// Ready when the timer fired, possibly before `deadline`.
    ///
    /// The caller checks its deadlines.
    pub(super) fn poll(&mut self, core: &Core, deadline: u64, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = core.instant(deadline);
        let sleep = self
            .0
            .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if deadline < sleep.deadline() || sleep.is_elapsed() {
            sleep.as_mut().reset(deadline);
        }
        sleep.as_mut().poll(cx)
    }
}
