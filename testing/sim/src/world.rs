//! The state that every part of a run shares.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ron_transport::PeerAddr;
use tokio::time::Instant;

use crate::books::{Books, SharedBooks};
use crate::net::{SimIo, SimPending, SynQueue};
use crate::rng::SimRng;
use crate::script::{Hand, Script, Wire};
use crate::tally::{PlaceTally, StreamTally};

/// One run.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) script: Script,
    pub(crate) queue: SynQueue,
    pub(crate) start: Instant,
    books: SharedBooks,
    rng: Mutex<SimRng>,
}

impl World {
    pub(crate) fn new(script: &Script) -> Arc<Self> {
        let start = Instant::now();
        Arc::new(Self {
            script: script.clone(),
            queue: SynQueue::new(script.backlog),
            start,
            books: SharedBooks::new(Books::new(script, start)),
            rng: Mutex::new(SimRng::new(script.seed)),
        })
    }

    /// Locks the books for some arithmetic.
    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock()
    }

    /// Creates both ends of a connection; the second is the transport's.
    pub(crate) fn connect(&self, peer: usize, wire: Wire, accepted: bool) -> (SimIo, SimIo) {
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        let id = self.books().open(peer, accepted);
        let tally = Box::new(StreamTally::new(self.books.clone(), id));
        let ends = SimIo::pair(wire, &mut rng, self.script.reports_taken, tally);
        drop(rng);
        let [_, to_far] = ends.1.sides();
        self.books().streams[id].outgoing = Some(to_far);
        ends
    }

    /// Connects a peer to the listener.
    ///
    /// Returns its end, unless the backlog is full.
    pub(crate) fn knock(
        &self,
        peer: usize,
        wire: Wire,
        hand: Hand,
        addr: PeerAddr,
    ) -> Option<SimIo> {
        let (far, ours) = self.connect(peer, wire, true);
        let id = self.books().streams.len() - 1;
        let place = Box::new(PlaceTally::new(self.books.clone(), id));
        let pending = SimPending::new(ours, hand, addr, place);
        self.queue.connect(pending).then_some(far)
    }

    /// Spawns a task of the simulated world.
    #[allow(clippy::disallowed_methods)] // Tasks of peers are not those of the transport.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(task);
    }

    /// Waits until this time of the run in milliseconds.
    pub(crate) async fn until(&self, ms: u64) {
        tokio::time::sleep_until(self.start + Duration::from_millis(ms)).await;
    }
}

/// Returns the byte at a position of a peer's stream.
#[allow(clippy::cast_possible_truncation)] // The lowest byte is wanted.
pub(crate) const fn pattern(peer: usize, at: u64) -> u8 {
    let mixed = at
        .wrapping_add((peer as u64) << 40)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 40) as u8
}

/// Returns a part of a peer's stream.
pub(crate) fn content(peer: usize, at: u64, len: usize) -> Vec<u8> {
    (at..at + len as u64).map(|at| pattern(peer, at)).collect()
}
