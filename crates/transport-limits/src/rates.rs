//! The byte rates in force, which a reload changes under open connections.
//!
//! Each value is read with one relaxed load.

use crate::bucket::Rate;
use crate::settings::Limits;
use crate::sync::{AtomicU64, Ordering};
use transport_core::{Direction, Scope};

/// The byte rates in force.
#[derive(Debug)]
pub(crate) struct CurrentRates {
    per_conn: AtomicU64,
    per_peer: AtomicU64,
    ingress: AtomicU64,
    egress: AtomicU64,
    /// The chunk in force. Every burst uses it, also of connections that keep another chunk.
    chunk: AtomicU64,
    /// Counts changes: parked operations compare it, and retry after a change.
    generation: AtomicU64,
}

impl CurrentRates {
    pub(crate) fn new(limits: &Limits) -> Self {
        let rates = limits.rates();
        Self {
            per_conn: AtomicU64::new(rates.per_conn),
            per_peer: AtomicU64::new(rates.per_peer),
            ingress: AtomicU64::new(rates.global_ingress),
            egress: AtomicU64::new(rates.global_egress),
            chunk: AtomicU64::new(limits.chunk_bytes() as u64),
            generation: AtomicU64::new(0),
        }
    }

    pub(crate) fn store(&self, limits: &Limits) {
        let rates = limits.rates();
        self.per_conn.store(rates.per_conn, Ordering::Relaxed);
        self.per_peer.store(rates.per_peer, Ordering::Relaxed);
        self.ingress.store(rates.global_ingress, Ordering::Relaxed);
        self.egress.store(rates.global_egress, Ordering::Relaxed);
        self.chunk
            .store(limits.chunk_bytes() as u64, Ordering::Relaxed);
        self.generation.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Returns the bytes per second of a scope; 0 is off.
    pub(crate) fn per_sec(&self, scope: Scope, direction: Direction) -> u64 {
        let rate = match (scope, direction) {
            (Scope::Conn, _) => &self.per_conn,
            (Scope::Peer, _) => &self.per_peer,
            (Scope::Global, Direction::In) => &self.ingress,
            (Scope::Global, Direction::Out) => &self.egress,
            (Scope::Memory, _) => return 0,
        };
        rate.load(Ordering::Relaxed)
    }

    /// Returns whether no rate applies in this direction.
    ///
    /// Every read and write asks, so it compares the rates at once.
    #[inline]
    pub(crate) fn are_off(&self, direction: Direction) -> bool {
        let global = match direction {
            Direction::In => &self.ingress,
            Direction::Out => &self.egress,
        };
        let rates = [&self.per_conn, &self.per_peer, global];
        let any = rates.map(|rate| rate.load(Ordering::Relaxed));
        (any[0] | any[1] | any[2]) == 0
    }

    /// Returns the chunk in force in bytes.
    pub(crate) fn chunk(&self) -> u64 {
        self.chunk.load(Ordering::Relaxed)
    }

    pub(crate) fn rate(&self, scope: Scope, direction: Direction) -> Option<Rate> {
        Rate::bytes(self.per_sec(scope, direction), self.chunk())
    }
}

#[cfg(all(test, not(ron_loom)))]
mod tests {
    use super::*;
    use crate::ByteRates;

    #[test]
    fn rates_off_unless_one_applies() {
        let with = |set: fn(&mut ByteRates)| {
            let mut limits = Limits::default();
            let mut rates = limits.rates();
            set(&mut rates);
            limits.set_rates(rates).unwrap();
            let current = CurrentRates::new(&limits);
            Direction::ALL.map(|direction| current.are_off(direction))
        };
        assert_eq!(with(|_| {}), [true, true]);
        assert_eq!(with(|rates| rates.per_conn = 1 << 20), [false, false]);
        assert_eq!(with(|rates| rates.per_peer = 1 << 20), [false, false]);
        assert_eq!(
            with(|rates| (rates.per_conn, rates.per_peer) = (1 << 20, 1 << 20)),
            [false, false],
            "equal rates"
        );
        assert_eq!(
            with(|rates| (rates.per_peer, rates.global_egress) = (1 << 20, 1 << 20)),
            [false, false]
        );
        assert_eq!(with(|rates| rates.global_ingress = 1 << 20), [false, true]);
        assert_eq!(with(|rates| rates.global_egress = 1 << 20), [true, false]);
    }
}
