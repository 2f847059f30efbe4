//! Changes of the sockets of an accept loop, for its next accept.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use futures_util::task::AtomicWaker;

use super::open::OpenSocket;

/// A change of the sockets of an accept loop.
#[derive(Debug, Clone)]
pub(super) enum SocketChange {
    Add(Arc<OpenSocket>),
    /// Removes the socket with this local address.
    Remove(SocketAddr),
}

/// The changes that an accept loop has not applied yet.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    /// Whether there are any, so that an accept takes no lock.
    is_filled: AtomicBool,
    changes: Mutex<Vec<SocketChange>>,
    waker: AtomicWaker,
}

impl Mailbox {
    pub(super) fn new(changes: Vec<SocketChange>) -> Self {
        Self {
            is_filled: AtomicBool::new(!changes.is_empty()),
            changes: Mutex::new(changes),
            waker: AtomicWaker::new(),
        }
    }

    /// Adds a change, which [`wake`](Self::wake) announces.
    pub(super) fn put(&self, change: SocketChange) {
        self.lock().push(change);
        self.is_filled.store(true, Ordering::Release);
    }

    pub(super) fn wake(&self) {
        self.waker.wake();
    }

    /// Returns whether [`take`](Self::take) has changes.
    pub(super) fn is_filled(&self) -> bool {
        self.is_filled.load(Ordering::Acquire)
    }

    pub(super) fn take(&self) -> Vec<SocketChange> {
        let mut changes = self.lock();
        self.is_filled.store(false, Ordering::Release);
        std::mem::take(&mut *changes)
    }

    /// Returns changes that could not be applied, before the later ones.
    pub(super) fn put_back(&self, mut failed: Vec<SocketChange>) {
        let mut changes = self.lock();
        failed.append(&mut changes);
        *changes = failed;
        self.is_filled.store(true, Ordering::Release);
    }

    /// Returns copies of the changes.
    pub(super) fn pending(&self) -> Vec<SocketChange> {
        self.lock().clone()
    }

    /// Registers the task that accepts; it checks for changes after that.
    pub(super) fn register(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<SocketChange>> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remove(port: u16) -> SocketChange {
        SocketChange::Remove(([127, 0, 0, 1], port).into())
    }

    fn ports(changes: &[SocketChange]) -> Vec<u16> {
        let port = |change: &SocketChange| match change {
            SocketChange::Remove(addr) => addr.port(),
            SocketChange::Add(_) => 0,
        };
        changes.iter().map(port).collect()
    }

    #[test]
    fn failed_changes_precede_later_ones() {
        let mailbox = Mailbox::new(vec![remove(1), remove(2)]);
        let failed = mailbox.take();
        assert!(!mailbox.is_filled());
        mailbox.put(remove(3));
        mailbox.put_back(failed);
        assert!(mailbox.is_filled());
        assert_eq!(ports(&mailbox.pending()), [1, 2, 3]);
        assert_eq!(ports(&mailbox.take()), [1, 2, 3]);
        assert!(!mailbox.is_filled() && mailbox.take().is_empty());
    }
}
