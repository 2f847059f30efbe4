//! Handles by which streams and places report to the books.

use std::sync::Arc;

use crate::world::World;

/// Reports the bytes and ends of one stream of the transport.
#[derive(Debug)]
pub(crate) struct StreamTally {
    world: Arc<World>,
    id: usize,
}

impl StreamTally {
    pub(crate) const fn new(world: Arc<World>, id: usize) -> Self {
        Self { world, id }
    }

    pub(crate) fn read(&self, bytes: usize) {
        self.world.books().moved(self.id, true, bytes as u64);
    }

    pub(crate) fn wrote(&self, bytes: usize) {
        self.world.books().moved(self.id, false, bytes as u64);
    }

    pub(crate) fn read_end(&self) {
        self.world.books().read_end(self.id);
    }

    /// Notes a write that found no room; the peer has read `taken` bytes so far.
    pub(crate) fn write_waits(&self, taken: u64) {
        self.world.books().write_waits(self.id, taken);
    }

    pub(crate) fn ended(&self) {
        self.world.books().ended(self.id);
    }

    pub(crate) fn aborted(&self) {
        self.world.books().aborted(self.id);
    }
}

impl Drop for StreamTally {
    fn drop(&mut self) {
        self.world.books().gone(self.id);
    }
}

/// The progress of an accepted connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// It waits in the backlog.
    Queued,
    /// The transport has it and decides.
    Accepted,
    /// The transport has admitted it; the handshake runs.
    Pending,
    /// The handshake is over.
    Established,
    /// The transport has dropped it.
    Gone,
}

/// Reports the place of one accepted connection, until it is dropped.
#[derive(Debug)]
pub(crate) struct PlaceTally {
    world: Arc<World>,
    id: usize,
}

impl PlaceTally {
    pub(crate) const fn new(world: Arc<World>, id: usize) -> Self {
        Self { world, id }
    }

    pub(crate) fn accepted(&mut self) {
        self.world.books().placed(self.id, Place::Accepted);
    }

    pub(crate) fn began(&mut self) {
        self.world.books().placed(self.id, Place::Pending);
    }

    pub(crate) fn established(&mut self) {
        self.world.books().placed(self.id, Place::Established);
    }
}

impl Drop for PlaceTally {
    fn drop(&mut self) {
        self.world.books().placed(self.id, Place::Gone);
    }
}
