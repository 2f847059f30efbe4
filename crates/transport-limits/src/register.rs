//! The open connections of one transport: entered and left in constant time, and sampled without a
//! look at all of them.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::Ordering;
use std::sync::Arc;

use crate::shared::{scatter, Shared};

/// Places that a list keeps when it shrinks.
const KEPT: usize = 64;

/// The open connections. The caller holds its lock for a few operations on vectors.
pub(crate) struct Register {
    accepted: Vec<Arc<Shared>>,
    dialed: Vec<Arc<Shared>>,
    /// Every connection is cancelled.
    pub(crate) closed: bool,
    /// No peer can compute which connections a sample takes.
    seed: u64,
    draws: u64,
}

impl Default for Register {
    fn default() -> Self {
        Self {
            accepted: Vec::new(),
            dialed: Vec::new(),
            closed: false,
            seed: RandomState::new().build_hasher().finish(),
            draws: 0,
        }
    }
}

impl Register {
    pub(crate) fn enter(&mut self, conn: &Arc<Shared>) {
        let list = self.list(conn);
        conn.slot.store(list.len(), Ordering::Relaxed);
        list.push(Arc::clone(conn));
    }

    /// Removes a connection: the last of the list takes its slot. Returns what the register held,
    /// to be dropped without the lock.
    pub(crate) fn leave(&mut self, conn: &Shared) -> Option<Arc<Shared>> {
        let list = self.list(conn);
        let slot = conn.slot.load(Ordering::Relaxed);
        if list.get(slot).map_or(true, |held| held.id != conn.id) {
            return None;
        }
        let left = list.swap_remove(slot);
        if let Some(moved) = list.get(slot) {
            moved.slot.store(slot, Ordering::Relaxed);
        }
        if list.capacity() > KEPT && list.len() < list.capacity() / 4 {
            list.shrink_to(KEPT.max(list.len() * 2));
        }
        Some(left)
    }

    fn list(&mut self, conn: &Shared) -> &mut Vec<Arc<Shared>> {
        if conn.accepted {
            &mut self.accepted
        } else {
            &mut self.dialed
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Shared>> {
        self.accepted.iter().chain(&self.dialed)
    }

    pub(crate) fn len(&self) -> usize {
        self.accepted.len() + self.dialed.len()
    }

    /// Takes accepted connections at random, up to `count`. Where there are no more than `all`,
    /// the samples of the rounds 0, 1, … are the list itself, piece by piece.
    pub(crate) fn sample(&mut self, round: usize, count: usize, all: usize) -> Vec<Arc<Shared>> {
        let len = self.accepted.len();
        if len <= all {
            let from = (round * count).min(len);
            let to = (from + count).min(len);
            return self.accepted[from..to].to_vec();
        }
        let draw = |_| {
            self.draws = self.draws.wrapping_add(1);
            let at = scatter(self.draws, self.seed, len as u64);
            usize::try_from(at).ok()
        };
        let drawn: Vec<_> = (0..count).filter_map(draw).collect();
        let conns = drawn.into_iter().filter_map(|at| self.accepted.get(at));
        conns.cloned().collect()
    }
}
