//! The memory of queued frames: a charge, or the one frame of a connection that needs none.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Notify;
use transport_core::{Direction, Scope};

use crate::budget::{Hold, Spare};
use crate::clock::duration;
use crate::conn_state::Shared;

/// The memory of a connection's inbox. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Inbox(Arc<Free>);

/// One frame of the inbox that needs no room in the budget.
#[derive(Debug, Default)]
struct Free {
    spare: Spare,
    /// It may be another frame now.
    again: Notify,
}

/// What lets a frame be queued.
#[derive(Debug, Default)]
pub(super) struct Stored {
    hold: Hold,
    free: Option<Arc<Free>>,
}

impl Inbox {
    /// What lets a frame be queued now. A received frame that is charged already needs nothing.
    pub(super) fn take(&self, shared: &Shared, frame: &Bytes) -> Option<Stored> {
        let (budget, len) = (shared.limiter.budget(), frame.len());
        if len == 0 || budget.covers(frame) {
            return Some(Stored::default());
        }
        let spare = match len <= shared.settings.chunk {
            true => self.0.spare.take(budget, len),
            false => None,
        };
        match spare {
            Some(spare) => Some(self.free(spare.into())),
            None => budget.take(shared.account, len).map(Stored::from),
        }
    }

    /// Waits for memory, or until the connection has no other frame that needs none: a handler has
    /// this one already, and to wait with it would free nothing.
    ///
    /// # Cancel safety
    /// Cancel-safe: a dropped call holds nothing.
    pub(super) async fn wait(&self, shared: &Shared, len: usize) -> Stored {
        let budget = shared.limiter.budget();
        let since = shared.limiter.now();
        let mut charge = budget.wait(shared.account, len);
        let stored = loop {
            if let Some(spare) = self.0.spare.take(budget, 0) {
                let mut hold = Hold::from(spare);
                hold.charge = Some(budget.force(shared.account, len));
                break self.free(hold);
            }
            tokio::select! {
                biased;
                charge = &mut charge => break charge.into(),
                () = self.0.again.notified() => {}
            }
        };
        let waited = duration(shared.limiter.now().saturating_sub(since));
        let observer = shared.limiter.observer();
        observer.throttled(Scope::Memory, Direction::Out, waited);
        stored
    }

    fn free(&self, hold: Hold) -> Stored {
        Stored {
            hold,
            free: Some(Arc::clone(&self.0)),
        }
    }
}

impl<T: Into<Hold>> From<T> for Stored {
    fn from(hold: T) -> Self {
        Self {
            hold: hold.into(),
            free: None,
        }
    }
}

impl Drop for Stored {
    fn drop(&mut self) {
        drop(std::mem::take(&mut self.hold));
        if let Some(free) = &self.free {
            free.again.notify_one();
        }
    }
}
