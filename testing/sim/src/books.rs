//! The script's own accounting of a run, against which the oracles compare.

mod ends;
mod finish;
mod places;
mod rates;
mod step;
mod streams;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ron_transport::{CloseReason, ReadyState, Reason};
use tokio::time::Instant;

use crate::net::WireSide;
use crate::script::{LimitPlan, PeerPlan, Script};
use rates::RateBooks;

/// A broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The oracle.
    pub oracle: &'static str,
    /// Milliseconds since the start of the run.
    pub at_ms: u64,
    /// Expected and found values.
    pub what: String,
}

/// The books, shared by the parts of a run.
#[derive(Debug, Clone)]
pub(crate) struct SharedBooks(Arc<Mutex<Books>>);

impl SharedBooks {
    pub(crate) fn new(books: Books) -> Self {
        Self(Arc::new(Mutex::new(books)))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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

/// One stream of the transport, accepted or dialed.
#[derive(Debug)]
pub(crate) struct StreamBook {
    pub(crate) peer: usize,
    pub(crate) accepted: bool,
    pub(crate) place: Place,
    pub(crate) read: u64,
    pub(crate) wrote: u64,
    /// When it connected, was accepted, or was established, the latest.
    pub(crate) since: Instant,
    /// Why admission refused it.
    pub(crate) refused: Option<Reason>,
    pub(crate) was_established: bool,
    /// Whether a timeout explains its end in order.
    pub(crate) silent: bool,
    pub(crate) moved_at: Instant,
    /// Whether the last moved byte came from the peer.
    pub(crate) was_inbound: bool,
    /// Since when a write waits, and the bytes read then.
    pub(crate) blocked: Option<(Instant, u64)>,
    pub(crate) read_end: bool,
    /// When the transport ended it in order.
    pub(crate) ended: Option<Instant>,
    /// When the transport aborted it.
    pub(crate) aborted: Option<Instant>,
    pub(crate) is_open: bool,
    pub(crate) outgoing: Option<WireSide>,
}

/// How a peer's script ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Outcome {
    /// It has not ended yet.
    #[default]
    Running,
    /// The backlog was full, or the listener closed.
    NoListener,
    /// Every step was done.
    Done,
    /// An end of stream came before the answer.
    Eof,
    /// A reset came before the answer.
    Reset,
    /// A write failed.
    WriteFailed,
}

/// One peer.
#[derive(Debug, Default)]
pub(crate) struct PeerBook {
    pub(crate) outcome: Outcome,
    /// Its accepted stream.
    pub(crate) stream: Option<usize>,
    /// The stream to its upstream.
    pub(crate) dialed: Option<usize>,
    /// Ends of the answers that were begun, as positions in the stream.
    pub(crate) begun: Vec<u64>,
    /// Requests that the answering side has read whole.
    pub(crate) asked: u64,
    /// Answers that it has written whole.
    pub(crate) answered: u64,
    pub(crate) panicked: bool,
    /// When the operator cancelled it.
    pub(crate) cancelled: Option<Instant>,
    pub(crate) control: Option<ron_transport::Control>,
}

/// The accounts of a run.
#[derive(Debug)]
pub(crate) struct Books {
    start: Instant,
    hash: u64,
    events: u64,
    /// Whether events are printed (`RON_SIM_TRACE`).
    prints: bool,
    pub(crate) violations: Vec<Violation>,
    pub(crate) limits: LimitPlan,
    pub(crate) streams: Vec<StreamBook>,
    pub(crate) peers: Vec<PeerBook>,
    pub(crate) plans: Vec<PeerPlan>,
    pub(crate) rates: RateBooks,
    /// The accepted stream that the transport decides about.
    pub(crate) judged: Option<usize>,
    /// Handshakes that failed and whose reject or close must follow.
    pub(crate) owed_rejects: i64,
    /// Open streams, by number, for the checks of each step.
    pub(crate) open: BTreeSet<usize>,
    pub(crate) accepted: u64,
    pub(crate) closes: BTreeMap<&'static str, u64>,
    pub(crate) bytes: BTreeMap<(&'static str, bool), u64>,
    pub(crate) own_bytes: [[u64; 2]; 2],
    pub(crate) observed_accepts: u64,
    pub(crate) observed_dials: [u64; 2],
    pub(crate) inflight: i64,
    pub(crate) memory_held: i64,
    /// Most bytes outside of the reserve.
    pub(crate) most_memory: u64,
    pub(crate) readiness: Vec<ReadyState>,
    pub(crate) reloads: [u64; 2],
    pub(crate) rejects: BTreeMap<&'static str, u64>,
    pub(crate) overloaded: bool,
    /// When accepting stopped.
    pub(crate) stopped: Option<Instant>,
    /// When a drain began.
    pub(crate) draining: Option<Instant>,
    /// When a drain aborts what is left.
    pub(crate) killed: Option<Instant>,
    /// Whether the run is over, so that slow peers hurry.
    pub(crate) is_over: bool,
    /// When the clock last jumped.
    pub(crate) jumped: Option<Instant>,
    /// Whether evicted connections may still be closing.
    pub(crate) had_eviction: bool,
    /// Whether a byte rate was ever in force.
    pub(crate) had_rates: bool,
    /// Handshakes that ended with a reject.
    pub(crate) paired_rejects: u64,
}

impl Books {
    pub(crate) fn new(script: &Script, start: Instant) -> Self {
        Self {
            start,
            hash: 0xcbf2_9ce4_8422_2325,
            events: 0,
            prints: std::env::var_os("RON_SIM_TRACE").is_some(),
            violations: Vec::new(),
            limits: script.limits,
            streams: Vec::new(),
            peers: script.peers.iter().map(|_| PeerBook::default()).collect(),
            plans: script.peers.clone(),
            rates: RateBooks::default(),
            judged: None,
            owed_rejects: 0,
            open: BTreeSet::new(),
            accepted: 0,
            closes: BTreeMap::new(),
            bytes: BTreeMap::new(),
            own_bytes: [[0; 2]; 2],
            observed_accepts: 0,
            observed_dials: [0; 2],
            inflight: 0,
            memory_held: 0,
            most_memory: script.limits.memory - step::reserve_of(script.limits.memory),
            readiness: Vec::new(),
            reloads: [0; 2],
            rejects: BTreeMap::new(),
            overloaded: false,
            stopped: None,
            draining: None,
            killed: None,
            is_over: false,
            jumped: None,
            had_eviction: script.limits.evict,
            had_rates: script.limits.has_rates(),
            paired_rejects: 0,
        }
    }

    /// Returns the milliseconds since the start.
    #[allow(clippy::cast_possible_truncation)] // A run takes minutes.
    pub(crate) fn ms(&self) -> u64 {
        self.start.elapsed().as_millis() as u64
    }

    /// Adds an event to the hash of the trace.
    pub(crate) fn trace(&mut self, event: &str, a: u64, b: u64) {
        self.events += 1;
        #[allow(clippy::cast_possible_truncation)] // A run takes minutes.
        let at = self.start.elapsed().as_nanos() as u64;
        if self.prints {
            eprintln!("{at:>12} {event} {a} {b}");
        }
        for byte in event.bytes() {
            self.mix(u64::from(byte));
        }
        for word in [at, a, b] {
            self.mix(word);
        }
    }

    fn mix(&mut self, word: u64) {
        self.hash = (self.hash ^ word).wrapping_mul(0x0000_0100_0000_01b3);
        self.hash ^= self.hash >> 29;
    }

    /// Returns the hash of the trace and the number of its events.
    pub(crate) const fn trace_hash(&self) -> (u64, u64) {
        (self.hash, self.events)
    }

    /// Notes a broken rule.
    pub(crate) fn broken(&mut self, oracle: &'static str, what: String) {
        let at_ms = self.ms();
        if self.violations.len() < 20 {
            self.violations.push(Violation {
                oracle,
                at_ms,
                what,
            });
        }
    }

    pub(crate) fn close_seen(&mut self, backend: &'static str, reason: CloseReason) {
        self.trace("close", reason as u64, 0);
        *self.closes.entry(backend).or_default() += 1;
        if self.owed_rejects > 0 {
            self.owed_rejects -= 1;
        }
    }

    pub(crate) fn reject_seen(&mut self, reason: Reason) {
        self.trace("reject", reason.index() as u64, 0);
        *self.rejects.entry(reason.as_str()).or_default() += 1;
        if let Some(id) = self.judged.take() {
            self.check_refusal(id, reason);
        } else if self.owed_rejects > 0 {
            self.owed_rejects -= 1;
            self.paired_rejects += 1;
        }
    }

    pub(crate) fn address(&self, peer: usize) -> u8 {
        self.plans[peer].ip
    }
}
