//! The memory budget: one limit for all bytes held for peers.
//!
//! Frame reader and frame sender charge bytes before they hold them; a relay counts its remainders.
//! One chunk in each direction of a connection is free of charge ([`FreeChunk`]), so that every
//! connection makes progress. Other bytes are charged to the peer's account until they are dropped.
//! A request that does not fit waits in order.

mod hold;
mod ledger;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::sync::Notify;
use transport_core::Observer;

use crate::sync::{AtomicU64, Mutex, MutexGuard, Ordering};
pub(crate) use hold::{FreeChunk, MemoryHold};
pub(crate) use ledger::MemoryAccount;
use ledger::{BudgetLedger, RequestId};

/// Freed bytes between two notifications.
const FREED_STEP: u64 = 1 << 20;
/// The largest frame that a configuration allows.
const LARGEST_FRAME: u64 = 1 << 20;

/// Returns the part of a limit for one frame at a time.
///
/// Every frame fits: `memory_bytes` is at least four times `max_frame_bytes`.
fn reserve_of(limit: u64) -> u64 {
    (limit / 4).min(LARGEST_FRAME)
}

/// A memory budget as one limiter uses it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Budget(Arc<BudgetUser>);

struct BudgetUser {
    shared: SharedBudget,
    /// Receives changes of the bytes held through this budget.
    observer: Arc<dyn Observer>,
}

/// A memory budget that limiters can share.
#[derive(Clone)]
pub(crate) struct SharedBudget(Arc<BudgetState>);

struct BudgetState {
    book: Mutex<BudgetBook>,
    /// Notified when bytes are charged.
    used: Notify,
    /// All bytes that charges have given back.
    given_back: AtomicU64,
    /// Notified once per [`FREED_STEP`] of them.
    freed: Notify,
}

struct BudgetBook {
    ledger: BudgetLedger<Waker>,
    /// Addresses and lengths of charged received frames.
    frames: BTreeMap<usize, usize>,
}

impl std::fmt::Debug for Budget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Budget").finish_non_exhaustive()
    }
}

impl SharedBudget {
    pub(crate) fn new(limit: u64) -> Self {
        let book = BudgetBook {
            ledger: BudgetLedger::new(limit, reserve_of(limit)),
            frames: BTreeMap::new(),
        };
        Self(Arc::new(BudgetState {
            book: Mutex::new(book),
            used: Notify::new(),
            given_back: AtomicU64::new(0),
            freed: Notify::new(),
        }))
    }

    /// Changes the limit, and grants the requests that fit now.
    pub(crate) fn set_limit(&self, limit: u64) {
        let granted = self.book().ledger.set_limit(limit, reserve_of(limit));
        wake(granted);
    }

    fn book(&self) -> MutexGuard<'_, BudgetBook> {
        self.0.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Budget {
    /// Uses a budget, and reports the bytes held through it.
    pub(crate) fn new(shared: &SharedBudget, observer: Arc<dyn Observer>) -> Self {
        Self(Arc::new(BudgetUser {
            shared: shared.clone(),
            observer,
        }))
    }

    /// Returns the bytes that are charged now.
    pub(crate) fn held(&self) -> u64 {
        self.book().ledger.held()
    }

    /// Waits until bytes are charged.
    pub(crate) async fn used(&self) {
        let used = self.0.shared.0.used.notified();
        tokio::pin!(used);
        used.as_mut().enable();
        if self.held() == 0 {
            used.await;
        }
    }

    /// Waits until the given-back bytes pass the next multiple of [`FREED_STEP`].
    pub(crate) async fn freed(&self) {
        self.0.shared.0.freed.notified().await;
    }

    /// Charges bytes if they are available now.
    pub(crate) fn take(&self, account: MemoryAccount, bytes: usize) -> Option<Charge> {
        let taken = self.book().ledger.take(account, bytes as u64);
        taken.then(|| self.charge(account, bytes, None))
    }

    /// Returns whether bytes are available now.
    pub(crate) fn has_room(&self, account: MemoryAccount, bytes: usize) -> bool {
        self.book().ledger.has_room(account, bytes as u64)
    }

    /// Charges bytes for which there was room in the same poll.
    ///
    /// It wakes no [`used`](Self::used): a bulk relay would do so a thousand times a second.
    pub(crate) fn charge_found(&self, account: MemoryAccount, bytes: usize) -> Charge {
        self.book().ledger.force(account, bytes as u64);
        Charge {
            counted: self.count(bytes),
            account,
            request: None,
            frame: None,
        }
    }

    /// Waits for bytes, behind earlier requests.
    pub(crate) fn wait(&self, account: MemoryAccount, bytes: usize) -> PendingCharge {
        let (ticket, granted) = self.book().ledger.wait(account, bytes as u64);
        self.pending(account, bytes, ticket, granted)
    }

    /// As [`wait`](Self::wait), for a caller that may keep other charged bytes meanwhile.
    ///
    /// It has the reserve at the latest after all earlier callers.
    pub(crate) fn wait_for_reserve(&self, account: MemoryAccount, bytes: usize) -> PendingCharge {
        let (ticket, granted) = self.book().ledger.wait_entitled(account, bytes as u64);
        self.pending(account, bytes, ticket, granted)
    }

    fn pending(
        &self,
        account: MemoryAccount,
        bytes: usize,
        ticket: RequestId,
        granted: Vec<Waker>,
    ) -> PendingCharge {
        wake(granted);
        PendingCharge {
            budget: self.clone(),
            account,
            bytes,
            ticket: Some(ticket),
        }
    }

    /// Returns whether these bytes belong to a charged received frame.
    pub(crate) fn covers(&self, bytes: &[u8]) -> bool {
        let (start, end) = (address(bytes), address(bytes) + bytes.len());
        let book = self.book();
        let frame = book.frames.range(..=start).next_back();
        frame.is_some_and(|(at, len)| end <= at + len)
    }

    /// Counts bytes without a charge.
    pub(crate) fn count(&self, bytes: usize) -> HeldBytes {
        self.report(bytes, 1);
        HeldBytes {
            budget: self.clone(),
            bytes,
        }
    }

    fn charge(&self, account: MemoryAccount, bytes: usize, request: Option<RequestId>) -> Charge {
        self.0.shared.0.used.notify_waiters();
        Charge {
            counted: self.count(bytes),
            account,
            request,
            frame: None,
        }
    }

    fn freed_bytes(&self, bytes: u64) {
        let before = self
            .0
            .shared
            .0
            .given_back
            .fetch_add(bytes, Ordering::Relaxed);
        if before / FREED_STEP != before.wrapping_add(bytes) / FREED_STEP {
            self.0.shared.0.freed.notify_waiters();
        }
    }

    fn report(&self, bytes: usize, sign: i64) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.0.observer.memory_held(bytes.saturating_mul(sign));
    }

    /// Locks the book for a few map operations.
    ///
    /// It is locked per frame over the free chunk.
    fn book(&self) -> MutexGuard<'_, BudgetBook> {
        self.0.shared.book()
    }
}

/// Returns the address of a slice, to compare it.
fn address(bytes: &[u8]) -> usize {
    bytes.as_ptr() as usize
}

/// Wakes granted requests, without the lock: a waker may run any code.
fn wake(granted: Vec<Waker>) {
    for waker in granted {
        waker.wake();
    }
}

/// Bytes that the metric counts until this is dropped.
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

/// Bytes that are charged to an account until this is dropped.
#[derive(Debug)]
pub(crate) struct Charge {
    counted: HeldBytes,
    account: MemoryAccount,
    /// The granted request, which may have the reserve; `None` without a wait.
    request: Option<RequestId>,
    /// Address of the frame that the charge covers.
    frame: Option<usize>,
}

impl Charge {
    /// Adds the bytes of another charge to the same account.
    pub(crate) fn merge(&mut self, mut other: Self) {
        self.counted.bytes += std::mem::take(&mut other.counted.bytes);
    }

    /// Ties the charge to a frame, and gives back unneeded bytes.
    ///
    /// So the frame is not charged again when it is forwarded.
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
        if let Some(request) = self.request {
            book.ledger.leave_reserve(request);
        }
        let granted = book.ledger.give_back(self.account, *bytes as u64);
        drop(book);
        budget.freed_bytes(*bytes as u64);
        wake(granted);
    }
}

/// A waiting request. Dropping it cancels the request, or gives granted bytes back.
#[derive(Debug)]
pub(crate) struct PendingCharge {
    budget: Budget,
    account: MemoryAccount,
    bytes: usize,
    /// `None` once granted.
    ticket: Option<RequestId>,
}

impl Future for PendingCharge {
    type Output = Charge;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Charge> {
        let Some(ticket) = self.ticket else {
            return Poll::Pending;
        };
        // Cloned without the lock: a waker may run any code.
        let waker = cx.waker().clone();
        if !self.budget.book().ledger.poll(ticket, waker) {
            return Poll::Pending;
        }
        self.ticket = None;
        Poll::Ready(self.budget.charge(self.account, self.bytes, Some(ticket)))
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

#[cfg(all(test, not(ron_loom)))]
mod tests;
