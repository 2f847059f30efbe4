//! The memory budget: one limit for all bytes that the library holds for peers.
//!
//! Frame reader, frame writer and relay ask before they hold bytes. One chunk in each direction of a
//! connection is free of charge ([`FreeChunk`]), so that every connection moves; all else is charged to
//! the account of its peer until it is dropped. A request that does not fit waits in order.

mod ledger;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::sync::Notify;
use transport_core::Observer;

use crate::peers::PeerKey;
use crate::sync::{AtomicBool, Mutex, MutexGuard, Ordering};
use ledger::{BudgetLedger, RequestId};

/// On whose behalf bytes are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum MemoryAccount {
    /// All accepted connections of a peer. It outlives them, so that reconnecting frees nothing.
    Peer(PeerKey),
    /// A connection by itself: a dialed one.
    Conn(u64),
}

/// The budget. Cheap to clone; clones share it.
#[derive(Clone)]
pub(crate) struct Budget(Arc<BudgetState>);

struct BudgetState {
    book: Mutex<BudgetBook>,
    /// Something was charged.
    used: Notify,
    observer: Arc<dyn Observer>,
}

struct BudgetBook {
    ledger: BudgetLedger<Waker>,
    /// Where received frames that are charged begin, and their lengths.
    frames: BTreeMap<usize, usize>,
}

impl std::fmt::Debug for Budget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Budget").finish_non_exhaustive()
    }
}

impl Budget {
    pub(crate) fn new(limit: u64, observer: Arc<dyn Observer>) -> Self {
        observer.memory_limit(limit);
        let book = BudgetBook {
            ledger: BudgetLedger::new(limit),
            frames: BTreeMap::new(),
        };
        Self(Arc::new(BudgetState {
            book: Mutex::new(book),
            used: Notify::new(),
            observer,
        }))
    }

    /// Puts another limit in force; requests that fit now are granted.
    pub(crate) fn set_limit(&self, limit: u64) {
        self.0.observer.memory_limit(limit);
        let granted = self.book().ledger.set_limit(limit);
        wake(granted);
    }

    /// Bytes that are charged now.
    pub(crate) fn held(&self) -> u64 {
        self.book().ledger.held()
    }

    /// Waits until something is charged.
    pub(crate) async fn used(&self) {
        let used = self.0.used.notified();
        tokio::pin!(used);
        used.as_mut().enable();
        if self.held() == 0 {
            used.await;
        }
    }

    /// Charges bytes if they are to be had now.
    pub(crate) fn take(&self, account: MemoryAccount, bytes: usize) -> Option<Charge> {
        let taken = self.book().ledger.take(account, bytes as u64);
        taken.then(|| self.charge(account, bytes))
    }

    /// Charges bytes whether or not they are to be had.
    pub(crate) fn force(&self, account: MemoryAccount, bytes: usize) -> Charge {
        self.book().ledger.force(account, bytes as u64);
        self.charge(account, bytes)
    }

    /// Waits for bytes, behind the requests that came before.
    pub(crate) fn wait(&self, account: MemoryAccount, bytes: usize) -> PendingCharge {
        let mut book = self.book();
        let (ticket, granted) = book.ledger.wait(account, bytes as u64);
        drop(book);
        wake(granted);
        PendingCharge {
            budget: self.clone(),
            account,
            bytes,
            ticket: Some(ticket),
        }
    }

    /// Whether these bytes are part of a received frame that is charged already.
    pub(crate) fn covers(&self, bytes: &[u8]) -> bool {
        let (start, end) = (address(bytes), address(bytes) + bytes.len());
        let book = self.book();
        let frame = book.frames.range(..=start).next_back();
        frame.is_some_and(|(at, len)| end <= at + len)
    }

    /// Counts bytes that are free of charge.
    pub(crate) fn count(&self, bytes: usize) -> HeldBytes {
        self.report(bytes, 1);
        HeldBytes {
            budget: self.clone(),
            bytes,
        }
    }

    fn charge(&self, account: MemoryAccount, bytes: usize) -> Charge {
        self.0.used.notify_waiters();
        Charge {
            counted: self.count(bytes),
            account,
            frame: None,
        }
    }

    fn report(&self, bytes: usize, sign: i64) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.0.observer.memory_held(bytes.saturating_mul(sign));
    }

    /// Held for a few map operations, per frame over the free chunk.
    fn book(&self) -> MutexGuard<'_, BudgetBook> {
        self.0.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The address of a slice, as a number: it is compared and never followed.
fn address(bytes: &[u8]) -> usize {
    bytes.as_ptr() as usize
}

/// Wakes after the lock is released: a waker may run anything.
fn wake(granted: Vec<Waker>) {
    for waker in granted {
        waker.wake();
    }
}

/// Bytes that show in the metric while this exists.
#[derive(Debug)]
pub(crate) struct HeldBytes {
    budget: Budget,
    bytes: usize,
}

impl Drop for HeldBytes {
    fn drop(&mut self) {
        self.budget.report(self.bytes, -1);
    }
}

/// Bytes that are charged to an account while this exists.
#[derive(Debug)]
pub(crate) struct Charge {
    counted: HeldBytes,
    account: MemoryAccount,
    /// Where the frame that it is for begins.
    frame: Option<usize>,
}

impl Charge {
    /// Adds the bytes of another charge to the same account.
    pub(crate) fn merge(&mut self, mut other: Self) {
        self.counted.bytes += std::mem::take(&mut other.counted.bytes);
    }

    /// Notes for which frame it is, so that the frame is not charged again when it is sent on, and
    /// gives back what the frame does not need.
    pub(crate) fn cover(&mut self, frame: &[u8]) {
        let HeldBytes { budget, bytes } = &mut self.counted;
        let over = *bytes - frame.len().min(*bytes);
        *bytes -= over;
        let mut book = budget.book();
        book.frames.insert(address(frame), frame.len());
        let granted = match over {
            0 => Vec::new(),
            over => book.ledger.give_back(self.account, over as u64),
        };
        drop(book);
        self.frame = Some(address(frame));
        if over != 0 {
            budget.report(over, -1);
        }
        wake(granted);
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        let HeldBytes { budget, bytes } = &self.counted;
        if *bytes == 0 {
            return;
        }
        let mut book = budget.book();
        if let Some(frame) = self.frame {
            book.frames.remove(&frame);
        }
        let granted = book.ledger.give_back(self.account, *bytes as u64);
        drop(book);
        wake(granted);
    }
}

/// A request that waits. Dropping it gives it up, or back.
#[derive(Debug)]
pub(crate) struct PendingCharge {
    budget: Budget,
    account: MemoryAccount,
    bytes: usize,
    /// `None` once it was granted.
    ticket: Option<RequestId>,
}

impl Future for PendingCharge {
    type Output = Charge;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Charge> {
        let Some(ticket) = self.ticket else {
            return Poll::Pending;
        };
        // The waker is cloned outside of the lock.
        let waker = cx.waker().clone();
        if !self.budget.book().ledger.poll(ticket, waker) {
            return Poll::Pending;
        }
        self.ticket = None;
        Poll::Ready(self.budget.charge(self.account, self.bytes))
    }
}

impl Drop for PendingCharge {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            let granted = self.budget.book().ledger.cancel(ticket);
            wake(granted);
        }
    }
}

/// The chunk that is free of charge in one direction of a connection.
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
    /// Takes it for so many bytes, unless it is in use.
    pub(crate) fn take(&self, budget: &Budget, bytes: usize) -> Option<FreeChunkGuard> {
        let in_use = &self.0 .0;
        let taken = in_use.compare_exchange(false, true, Ordering::AcqRel, Ordering::Relaxed);
        taken.is_ok().then(|| FreeChunkGuard {
            spare: self.clone(),
            _counted: budget.count(bytes),
        })
    }
}

/// The free chunk in use.
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

/// What lets some bytes be held.
// Fields that are never read exist for their drop.
#[derive(Debug, Default)]
#[allow(dead_code)]
pub(crate) struct MemoryHold {
    pub(crate) spare: Option<FreeChunkGuard>,
    pub(crate) charge: Option<Charge>,
    pub(crate) counted: Option<HeldBytes>,
    /// Of a connection whose frames were handed out.
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

impl From<HeldBytes> for MemoryHold {
    fn from(counted: HeldBytes) -> Self {
        Self {
            counted: Some(counted),
            ..Self::default()
        }
    }
}

#[cfg(all(test, not(ron_loom)))]
mod tests;
