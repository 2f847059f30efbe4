//! The arithmetic of the memory budget: charges and waiting requests by account.
//!
//! Sans-IO: the caller holds the lock and calls the returned wakers. A grant leaves its account with
//! at most a quarter of the limit, and with no more than the bytes still free (a dynamic threshold,
//! Choudhury and Hahne 1998). The waiting account with the fewest bytes is served first, then by
//! arrival. No request overtakes an earlier one in that order, so freed bytes add up until a large
//! request fits.
//!
//! A part of the limit is a *reserve*, outside of that rule. One request at a time has it, by arrival.
//! So requests whose callers keep other bytes meanwhile cannot deadlock, and the limit holds.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::peers::PeerKey;

/// The owner that held bytes are charged to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum MemoryAccount {
    /// All accepted connections of a peer. It outlives them, so reconnecting frees nothing.
    Peer(PeerKey),
    /// A dialed connection.
    Conn(u64),
}

/// An account holds at most this part of the limit: a quarter.
const SHARE: u64 = 4;

/// The number of a waiting request, ascending by arrival.
pub(crate) type RequestId = u64;

/// The position of a waiting account: its bytes, and its oldest request.
type QueuePosition = (u64, RequestId);

#[derive(Debug)]
struct AccountEntry {
    held: u64,
    /// Requests by arrival, and their bytes.
    queue: BTreeMap<RequestId, u64>,
    place: Option<QueuePosition>,
}

#[derive(Debug)]
struct WaitingRequest<W> {
    account: MemoryAccount,
    bytes: u64,
    waker: Option<W>,
    granted: bool,
}

/// Charges by account, and waiting requests.
#[derive(Debug)]
pub(crate) struct BudgetLedger<W> {
    limit: u64,
    /// The part of the limit for one request at a time.
    reserve: u64,
    held: u64,
    /// The request that has the reserve, and its bytes.
    in_reserve: Option<(RequestId, u64)>,
    /// Waiting requests that may have the reserve.
    entitled: BTreeSet<RequestId>,
    /// Accounts that hold bytes or wait.
    accounts: HashMap<MemoryAccount, AccountEntry>,
    /// Waiting accounts below their own share.
    places: BTreeMap<QueuePosition, MemoryAccount>,
    waiting: BTreeMap<RequestId, WaitingRequest<W>>,
    next: RequestId,
}

impl<W> BudgetLedger<W> {
    pub(crate) fn new(limit: u64, reserve: u64) -> Self {
        Self {
            limit,
            reserve,
            held: 0,
            in_reserve: None,
            entitled: BTreeSet::new(),
            accounts: HashMap::new(),
            places: BTreeMap::new(),
            waiting: BTreeMap::new(),
            next: 0,
        }
    }

    /// Returns the bytes of all accounts.
    pub(crate) fn held(&self) -> u64 {
        self.held
    }

    /// Returns the bytes of one account.
    #[cfg(test)]
    pub(crate) fn held_by(&self, account: MemoryAccount) -> u64 {
        self.accounts.get(&account).map_or(0, |entry| entry.held)
    }

    /// Takes bytes at once, or returns false.
    ///
    /// They must fit, and no other request may wait for them.
    pub(crate) fn take(&mut self, account: MemoryAccount, bytes: u64) -> bool {
        let fits = self.has_room(account, bytes);
        if fits {
            self.add(account, bytes);
        }
        fits
    }

    /// Returns whether [`take`](Self::take) would take bytes.
    pub(crate) fn has_room(&self, account: MemoryAccount, bytes: u64) -> bool {
        let entry = self.accounts.get(&account);
        let held = entry.map_or(0, |entry| entry.held);
        let first = entry.map_or(true, |entry| entry.queue.is_empty())
            && self
                .places
                .keys()
                .next()
                .map_or(true, |(least, _)| held < *least);
        first && self.within_share(held, bytes) && self.within_all(held, bytes)
    }

    /// Takes bytes even if they exceed the limit.
    pub(crate) fn force(&mut self, account: MemoryAccount, bytes: u64) {
        self.add(account, bytes);
    }

    /// Adds a request behind earlier ones; returns the wakers of granted requests.
    ///
    /// The request itself may be granted at once: bytes may have been given back since `take`.
    pub(crate) fn wait(&mut self, account: MemoryAccount, bytes: u64) -> (RequestId, Vec<W>) {
        let ticket = self.next;
        self.next += 1;
        let waiting = WaitingRequest {
            account,
            bytes,
            waker: None,
            granted: false,
        };
        self.waiting.insert(ticket, waiting);
        self.entry(account).queue.insert(ticket, bytes);
        self.replace(account);
        (ticket, self.serve())
    }

    /// As [`wait`](Self::wait), for a request that may have the reserve.
    ///
    /// [`leave_reserve`](Self::leave_reserve) must precede the return of its bytes.
    pub(crate) fn wait_entitled(
        &mut self,
        account: MemoryAccount,
        bytes: u64,
    ) -> (RequestId, Vec<W>) {
        self.entitled.insert(self.next);
        self.wait(account, bytes)
    }

    /// Frees the reserve if this request has it.
    pub(crate) fn leave_reserve(&mut self, ticket: RequestId) {
        self.in_reserve = self.in_reserve.filter(|(holder, _)| *holder != ticket);
    }

    /// Returns whether a request was granted; else stores the waker.
    pub(crate) fn poll(&mut self, ticket: RequestId, waker: W) -> bool {
        let Some(waiting) = self.waiting.get_mut(&ticket) else {
            return true;
        };
        if waiting.granted {
            self.waiting.remove(&ticket);
            return true;
        }
        waiting.waker = Some(waker);
        false
    }

    /// Cancels a request; returns the wakers of requests granted instead.
    pub(crate) fn cancel(&mut self, ticket: RequestId) -> Vec<W> {
        let Some(waiting) = self.waiting.remove(&ticket) else {
            return Vec::new();
        };
        if waiting.granted {
            self.leave_reserve(ticket);
            return self.give_back(waiting.account, waiting.bytes);
        }
        self.entitled.remove(&ticket);
        self.entry(waiting.account).queue.remove(&ticket);
        self.replace(waiting.account);
        self.serve()
    }

    /// Gives bytes back; returns the wakers of granted requests.
    pub(crate) fn give_back(&mut self, account: MemoryAccount, bytes: u64) -> Vec<W> {
        self.held -= bytes;
        self.entry(account).held -= bytes;
        self.replace(account);
        self.serve()
    }

    /// Changes the limit; returns the wakers of granted requests.
    ///
    /// A smaller limit takes no bytes from accounts.
    pub(crate) fn set_limit(&mut self, limit: u64, reserve: u64) -> Vec<W> {
        (self.limit, self.reserve) = (limit, reserve);
        let waiting: Vec<_> = self.accounts.keys().copied().collect();
        for account in waiting {
            self.replace(account);
        }
        self.serve()
    }

    /// Grants requests in order, then the reserve if it is free.
    fn serve(&mut self) -> Vec<W> {
        let mut wakers = Vec::new();
        loop {
            while let Some(((held, ticket), account)) =
                self.places.iter().next().map(|(p, a)| (*p, *a))
            {
                let Some(waiting) = self.waiting.get(&ticket) else {
                    self.places.remove(&(held, ticket));
                    continue;
                };
                if !self.within_all(held, waiting.bytes) {
                    break;
                }
                self.grant(ticket, account, &mut wakers);
            }
            let next = self.entitled.first().copied();
            let Some(ticket) = next.filter(|_| self.in_reserve.is_none()) else {
                return wakers;
            };
            let Some(waiting) = self.waiting.get(&ticket) else {
                self.entitled.remove(&ticket);
                continue;
            };
            self.in_reserve = Some((ticket, waiting.bytes));
            self.grant(ticket, waiting.account, &mut wakers);
        }
    }

    fn grant(&mut self, ticket: RequestId, account: MemoryAccount, wakers: &mut Vec<W>) {
        let Some(waiting) = self.waiting.get_mut(&ticket) else {
            return;
        };
        waiting.granted = true;
        wakers.extend(waiting.waker.take());
        let bytes = waiting.bytes;
        self.entitled.remove(&ticket);
        self.entry(account).queue.remove(&ticket);
        self.add(account, bytes);
    }

    fn add(&mut self, account: MemoryAccount, bytes: u64) {
        self.held += bytes;
        self.entry(account).held += bytes;
        self.replace(account);
    }

    fn entry(&mut self, account: MemoryAccount) -> &mut AccountEntry {
        self.accounts
            .entry(account)
            .or_insert_with(|| AccountEntry {
                held: 0,
                queue: BTreeMap::new(),
                place: None,
            })
    }

    /// Updates an account's position after a change, and removes an empty account.
    fn replace(&mut self, account: MemoryAccount) {
        let Some(entry) = self.accounts.get_mut(&account) else {
            return;
        };
        if let Some(place) = entry.place.take() {
            self.places.remove(&place);
        }
        let head = entry.queue.iter().next().map(|(t, bytes)| (*t, *bytes));
        match head {
            Some((ticket, bytes)) if within_share(self.limit, entry.held, bytes) => {
                let place = (entry.held, ticket);
                entry.place = Some(place);
                self.places.insert(place, account);
            }
            None if entry.held == 0 => {
                self.accounts.remove(&account);
            }
            _ => {}
        }
    }

    fn within_share(&self, held: u64, bytes: u64) -> bool {
        within_share(self.limit, held, bytes)
    }

    fn within_all(&self, held: u64, bytes: u64) -> bool {
        let in_reserve = self.in_reserve.map_or(0, |(_, bytes)| bytes);
        let open = self.limit.saturating_sub(self.reserve);
        fits(open, self.held.saturating_sub(in_reserve), held, bytes)
    }
}

/// Returns whether an account stays within its share.
///
/// An account without bytes may take one request of any size.
fn within_share(limit: u64, held: u64, bytes: u64) -> bool {
    held == 0 || held.saturating_add(bytes) <= limit / SHARE
}

/// Returns whether the account's bytes would fit outside of the reserve.
///
/// An empty budget grants any request, so that one over a lowered limit does not wait indefinitely.
fn fits(limit: u64, all: u64, held: u64, bytes: u64) -> bool {
    let free = limit.saturating_sub(all).saturating_sub(bytes);
    all == 0 || held.saturating_add(bytes) <= free
}

#[cfg(test)]
mod tests;
