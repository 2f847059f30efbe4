//! State that several limiters can share.
//!
//! It has the caps, rates, memory budget and peer table. A limiter that was built alone is the only participant. Deadlines, address rules, drain, tasks
//! and log samplers belong to each participant, in `Core`.

use std::sync::{Arc, PoisonError, RwLock, Weak};

use transport_core::{Backend, Direction, Reloadable, Scope};

use crate::admission::Admission;
use crate::budget::SharedBudget;
use crate::clock::Clock;
use crate::participant::Participant;
use crate::rates::CurrentRates;
use crate::settings::Limits;
use crate::shared_bucket::SharedBucket;

pub(crate) struct Ceilings {
    pub(crate) clock: Clock,
    pub(crate) admission: Admission,
    pub(crate) budget: SharedBudget,
    pub(crate) rates: CurrentRates,
    /// Bytes in, bytes out: the buckets of all connections together.
    pub(crate) global: [SharedBucket; 2],
    /// The limits in force; only their shared settings count.
    limits: Reloadable<Limits>,
    participants: RwLock<Vec<Weak<Participant>>>,
}

impl Ceilings {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            clock: Clock::start(),
            admission: Admission::new(limits),
            budget: SharedBudget::new(limits.memory_bytes()),
            rates: CurrentRates::new(limits),
            global: Default::default(),
            limits: Reloadable::new(limits.clone()),
            participants: RwLock::default(),
        }
    }

    /// Returns the limits in force.
    pub(crate) fn limits(&self) -> Arc<Limits> {
        self.limits.get()
    }

    /// Applies other caps and rates to everything but open connections.
    pub(crate) fn apply(&self, limits: &Limits) {
        self.limits.replace(limits.clone());
        self.admission.apply(limits);
        self.budget.set_limit(limits.memory_bytes());
        self.rates.store(limits);
        self.rebase(Scope::Global, &self.global);
        for peer in self.admission.peers().iter() {
            self.rebase(Scope::Peer, &peer.buckets);
        }
        self.for_each(|one| one.memory_limit(limits.memory_bytes()));
    }

    /// Caps the debts of a scope's two buckets at the new rate.
    pub(crate) fn rebase(&self, scope: Scope, buckets: &[SharedBucket; 2]) {
        let now = self.clock.now();
        for direction in Direction::ALL {
            if let Some(rate) = self.rates.rate(scope, direction) {
                buckets[direction as usize].bucket.rebase(now, rate);
            }
        }
    }

    /// Adds a participant, and removes those that are gone.
    pub(crate) fn join(&self, participant: &Arc<Participant>) {
        participant.memory_limit(self.limits().memory_bytes());
        let mut all = self
            .participants
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        all.retain(|one| one.strong_count() > 0);
        all.push(Arc::downgrade(participant));
    }

    /// Reports the size of the peer table to every participant that accepts.
    ///
    /// `changed_by` has admitted or returned a connection of this backend.
    pub(crate) fn report_peers(&self, changed_by: &Participant, backend: Backend) {
        let peers = self.admission.peers();
        changed_by.accepts(backend);
        let (tracked, max) = (peers.tracked(), peers.max_conns());
        // Under the lock, so that the last report is the newest.
        self.for_each(|one| one.peers(tracked, max));
    }

    /// Ends the reports to a participant.
    pub(crate) fn leave(&self, participant: &Participant) {
        let _reporting = self.admission.peers();
        participant.end();
    }

    fn for_each(&self, each: impl Fn(&Participant)) {
        let all = self
            .participants
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        all.iter().filter_map(Weak::upgrade).for_each(|p| each(&p));
    }
}

#[cfg(all(test, not(ron_loom)))]
mod tests {
    use transport_core::NoObserver;

    use super::*;

    #[test]
    fn gone_participants_are_removed() {
        let ceilings = Ceilings::new(&Limits::default());
        let stays = Arc::new(Participant::new(Arc::new(NoObserver)));
        ceilings.join(&stays);
        for _ in 0..10 {
            ceilings.join(&Arc::new(Participant::new(Arc::new(NoObserver))));
        }
        ceilings.join(&stays);
        let known = ceilings.participants.read().unwrap().len();
        assert_eq!(known, 2);
    }
}
