//! The memory of queued frames: charges, and one free frame.

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

/// The free frame of an inbox, which needs no budget.
#[derive(Debug, Default)]
struct FreeFrame {
    spare: FreeChunk,
    /// Notified when another frame may be the free one.
    again: Notify,
}

/// The permission to queue a frame.
#[derive(Debug, Default)]
pub(super) struct InboxHold {
    hold: MemoryHold,
    free: Option<Arc<FreeFrame>>,
}

impl InboxMemory {
    /// Takes memory for a frame if it is available now.
    ///
    /// A received frame that is already charged needs none.
    pub(super) fn take(&self, conn: &ConnState, frame: &Bytes) -> Option<InboxHold> {
        let (budget, len) = (conn.core.budget(), frame.len());
        if len == 0 || budget.covers(frame) {
            return Some(InboxHold::default());
        }
        let spare = match len <= conn.settings.chunk {
            true => self.0.spare.take(budget, len),
            false => None,
        };
        match spare {
            Some(spare) => Some(self.free(spare.into())),
            None => budget.take(conn.account(), len).map(InboxHold::from),
        }
    }

    /// Waits for memory, or for the connection's free frame.
    ///
    /// The handler may keep received frames meanwhile, which take memory from others. So a frame over
    /// a chunk may have the reserve.
    ///
    /// # Cancel safety
    /// Cancel-safe: a dropped call holds nothing.
    pub(super) async fn wait(&self, conn: &ConnState, len: usize) -> InboxHold {
        let budget = conn.core.budget();
        let since = conn.core.now();
        let stored = if len <= conn.settings.chunk {
            self.wait_free(conn, len).await
        } else {
            budget.wait_for_reserve(conn.account(), len).await.into()
        };
        let waited = duration(conn.core.now().saturating_sub(since));
        let observer = conn.core.observer();
        observer.throttled(Scope::Memory, Direction::Out, waited);
        stored
    }

    /// Waits for the memory of a frame of up to a chunk.
    async fn wait_free(&self, conn: &ConnState, len: usize) -> InboxHold {
        let budget = conn.core.budget();
        let mut charge = budget.wait(conn.account(), len);
        loop {
            if let Some(spare) = self.0.spare.take(budget, len) {
                return self.free(spare.into());
            }
            tokio::select! {
                biased;
                charge = &mut charge => return charge.into(),
                () = self.0.again.notified() => {}
            }
        }
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
