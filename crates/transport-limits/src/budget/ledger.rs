//! The arithmetic of the memory budget: who holds how much, and who may have more.
//!
//! Sans-IO: the caller holds the lock, and calls the wakers that it is handed. An account is granted
//! bytes while it then holds at most a quarter of the limit and no more than what is free then
//! (a dynamic threshold, Choudhury and Hahne 1998). Waiting accounts are served in order: the one
//! that holds least first, then by arrival. No request overtakes an earlier one in that order, so
//! what is freed adds up until a large request fits.

use std::collections::{BTreeMap, HashMap};

use super::MemoryAccount;

/// One account holds at most this part of the limit.
const SHARE: u64 = 4;

/// Number of a waiting request, ascending by arrival.
pub(crate) type RequestId = u64;

/// The place of an account among those that wait: what it holds, and its oldest request.
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
    held: u64,
    /// Accounts that hold something or wait.
    accounts: HashMap<MemoryAccount, AccountEntry>,
    /// Accounts that wait and are below their own share.
    places: BTreeMap<QueuePosition, MemoryAccount>,
    waiting: BTreeMap<RequestId, WaitingRequest<W>>,
    next: RequestId,
}

impl<W> BudgetLedger<W> {
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            limit,
            held: 0,
            accounts: HashMap::new(),
            places: BTreeMap::new(),
            waiting: BTreeMap::new(),
            next: 0,
        }
    }

    /// Bytes that all accounts hold.
    pub(crate) fn held(&self) -> u64 {
        self.held
    }

    /// Bytes that one account holds.
    #[cfg(test)]
    pub(crate) fn held_by(&self, account: MemoryAccount) -> u64 {
        self.accounts.get(&account).map_or(0, |entry| entry.held)
    }

    /// Takes bytes at once; false where they are not to be had, or others wait for them.
    pub(crate) fn take(&mut self, account: MemoryAccount, bytes: u64) -> bool {
        let entry = self.accounts.get(&account);
        let held = entry.map_or(0, |entry| entry.held);
        let first = entry.map_or(true, |entry| entry.queue.is_empty())
            && self
                .places
                .keys()
                .next()
                .map_or(true, |(least, _)| held < *least);
        let fits = first && self.within_share(held, bytes) && self.within_all(held, bytes);
        if fits {
            self.add(account, bytes);
        }
        fits
    }

    /// Takes bytes whether or not they are to be had.
    pub(crate) fn force(&mut self, account: MemoryAccount, bytes: u64) {
        self.add(account, bytes);
    }

    /// Waits for bytes, behind those that came before. They may be granted at once: something may
    /// have been given back since they were not to be had.
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

    /// Whether a request was granted, which ends it; else `waker` is called when it is.
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

    /// Gives a request up; returns the wakers of those that are granted instead.
    pub(crate) fn cancel(&mut self, ticket: RequestId) -> Vec<W> {
        let Some(waiting) = self.waiting.remove(&ticket) else {
            return Vec::new();
        };
        if waiting.granted {
            return self.give_back(waiting.account, waiting.bytes);
        }
        self.entry(waiting.account).queue.remove(&ticket);
        self.replace(waiting.account);
        self.serve()
    }

    /// Gives bytes back; returns the wakers of those that are granted.
    pub(crate) fn give_back(&mut self, account: MemoryAccount, bytes: u64) -> Vec<W> {
        self.held -= bytes;
        self.entry(account).held -= bytes;
        self.replace(account);
        self.serve()
    }

    /// Changes the limit. A smaller one takes nothing from those that hold.
    pub(crate) fn set_limit(&mut self, limit: u64) -> Vec<W> {
        self.limit = limit;
        let waiting: Vec<_> = self.accounts.keys().copied().collect();
        for account in waiting {
            self.replace(account);
        }
        self.serve()
    }

    /// Grants to the first in order for as long as it fits.
    fn serve(&mut self) -> Vec<W> {
        let mut wakers = Vec::new();
        while let Some(((held, ticket), account)) = self.places.iter().next().map(|(p, a)| (*p, *a))
        {
            let Some(waiting) = self.waiting.get_mut(&ticket) else {
                self.places.remove(&(held, ticket));
                continue;
            };
            let bytes = waiting.bytes;
            if !fits(self.limit, self.held, held, bytes) {
                break;
            }
            waiting.granted = true;
            wakers.extend(waiting.waker.take());
            self.entry(account).queue.remove(&ticket);
            self.add(account, bytes);
        }
        wakers
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

    /// Finds an account's place after a change; forgets an account that has none and holds nothing.
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
        fits(self.limit, self.held, held, bytes)
    }
}

/// Whether an account stays within its share; one request it has in any case, however large.
fn within_share(limit: u64, held: u64, bytes: u64) -> bool {
    held == 0 || held.saturating_add(bytes) <= limit / SHARE
}

/// Whether an account then holds no more than what is free then. An empty budget grants anything,
/// so that a request that is larger than the limit has become does not wait without end.
fn fits(limit: u64, all: u64, held: u64, bytes: u64) -> bool {
    let free = limit.saturating_sub(all).saturating_sub(bytes);
    all == 0 || held.saturating_add(bytes) <= free
}

#[cfg(test)]
mod tests;
