//! The memory of queued frames: a charge, or the one frame of a connection that needs none.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Notify;
use transport_core::{Direction, Scope};

use crate::budget::{FreeChunk, MemoryHold};
use crate::clock::duration;
use crate::conn_state::ConnState;

/// The memory of a connection's inbox. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct InboxMemory(Arc<FreeFrame>);

/// One frame of the inbox that needs no room in the budget.
#[derive(Debug, Default)]
struct FreeFrame {
    spare: FreeChunk,
    /// It may be another frame now.
    again: Notify,
}

/// What lets a frame be queued.
#[derive(Debug, Default)]
pub(super) struct InboxHold {
    hold: MemoryHold,
    free: Option<Arc<FreeFrame>>,
}

impl InboxMemory {
    /// What lets a frame be queued now. A received frame that is charged already needs nothing.
    pub(super) fn take(&self, conn: &ConnState, frame: &Bytes) -> Option<InboxHold> {
        let (budget, len) = (conn.limiter.budget(), frame.len());
        if len == 0 || budget.covers(frame) {
            return Some(InboxHold::default());
        }
        let spare = match len <= conn.settings.chunk {
            true => self.0.spare.take(budget, len),
            false => None,
        };
        match spare {
            Some(spare) => Some(self.free(spare.into())),
            None => budget.take(conn.account, len).map(InboxHold::from),
        }
    }

    /// Waits for memory, or until the connection has no other frame that needs none: a handler has
    /// this one already, and to wait with it would free nothing.
    ///
    /// # Cancel safety
    /// Cancel-safe: a dropped call holds nothing.
    pub(super) async fn wait(&self, conn: &ConnState, len: usize) -> InboxHold {
        let budget = conn.limiter.budget();
        let since = conn.limiter.now();
        let mut charge = budget.wait(conn.account, len);
        let stored = loop {
            if let Some(spare) = self.0.spare.take(budget, 0) {
                let mut hold = MemoryHold::from(spare);
                hold.charge = Some(budget.force(conn.account, len));
                break self.free(hold);
            }
            tokio::select! {
                biased;
                charge = &mut charge => break charge.into(),
                () = self.0.again.notified() => {}
            }
        };
        let waited = duration(conn.limiter.now().saturating_sub(since));
        let observer = conn.limiter.observer();
        observer.throttled(Scope::Memory, Direction::Out, waited);
        stored
    }

    fn free(&self, hold: MemoryHold) -> InboxHold {
        InboxHold {
            hold,
            free: Some(Arc::clone(&self.0)),
        }
    }
}

impl<T: Into<MemoryHold>> From<T> for InboxHold {
    fn from(hold: T) -> Self {
        Self {
            hold: hold.into(),
            free: None,
        }
    }
}

impl Drop for InboxHold {
    fn drop(&mut self) {
        drop(std::mem::take(&mut self.hold));
        if let Some(free) = &self.free {
            free.again.notify_one();
        }
    }
}
