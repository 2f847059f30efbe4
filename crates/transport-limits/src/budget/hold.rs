//! Permissions to hold bytes, and the free chunk of a connection.

use std::sync::Arc;

use super::{Budget, Charge, HeldBytes};
use crate::sync::{AtomicBool, Ordering};

/// The free chunk of one direction of a connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct FreeChunk(Arc<InUseFlag>);

#[derive(Debug)]
struct InUseFlag(AtomicBool);

impl Default for InUseFlag {
    fn default() -> Self {
        Self(AtomicBool::new(false))
    }
}

impl FreeChunk {
    /// Takes the chunk for `bytes` bytes, unless it is in use.
    pub(crate) fn take(&self, budget: &Budget, bytes: usize) -> Option<FreeChunkGuard> {
        let in_use = &self.0 .0;
        let taken = in_use.compare_exchange(false, true, Ordering::AcqRel, Ordering::Relaxed);
        taken.is_ok().then(|| FreeChunkGuard {
            spare: self.clone(),
            _counted: budget.count(bytes),
        })
    }
}

/// A free chunk in use until this is dropped.
#[derive(Debug)]
pub(crate) struct FreeChunkGuard {
    spare: FreeChunk,
    _counted: HeldBytes,
}

impl Drop for FreeChunkGuard {
    fn drop(&mut self) {
        self.spare.0 .0.store(false, Ordering::Release);
    }
}

/// The permission to hold some bytes.
// Unread fields exist for their drop.
#[derive(Debug, Default)]
#[allow(dead_code)]
pub(crate) struct MemoryHold {
    pub(crate) spare: Option<FreeChunkGuard>,
    pub(crate) charge: Option<Charge>,
    pub(crate) counted: Option<HeldBytes>,
    /// Marks a frame that its connection has returned to the handler.
    pub(crate) out: Option<Arc<()>>,
}

impl From<Charge> for MemoryHold {
    fn from(charge: Charge) -> Self {
        Self {
            charge: Some(charge),
            ..Self::default()
        }
    }
}

impl From<FreeChunkGuard> for MemoryHold {
    fn from(spare: FreeChunkGuard) -> Self {
        Self {
            spare: Some(spare),
            ..Self::default()
        }
    }
}
