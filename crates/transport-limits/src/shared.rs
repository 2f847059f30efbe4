//! The state of one connection that more than its stream may touch.
//!
//! A stream reads this state with relaxed loads; nothing in it is locked by an operation.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use atomic_waker::AtomicWaker;
use tokio::sync::Notify;
use transport_core::{Backend, Direction, Op, PeerAddr, Reason, Scope, TransportError};

use crate::budget::Account;
use crate::event::Who;
use crate::lane::Lane;
use crate::limiter::{ConnSettings, Limiter};
use crate::peers::Peer;

/// Why a connection was ended from within; also the state word of an open one.
const OPEN: u8 = 0;
const CANCELLED: u8 = 1;
const CLOSED: u8 = 6;

const fn code(op: Op) -> u8 {
    match op {
        Op::Idle => 2,
        Op::Lifetime => 3,
        Op::Read => 4,
        _ => 5,
    }
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) id: u64,
    pub(crate) backend: Backend,
    pub(crate) limiter: Limiter,
    pub(crate) settings: Arc<ConnSettings>,
    pub(crate) peer_addr: Option<PeerAddr>,
    pub(crate) peer: Option<Arc<Peer>>,
    /// On whose behalf bytes are held; by itself unless it is set.
    pub(crate) account: Account,
    /// Bytes in, bytes out: this connection's own scope.
    pub(crate) lanes: [Lane; 2],
    pub(crate) born: u64,
    state: AtomicU8,
    wakers: [AtomicWaker; 2],
    pub(crate) ended: Notify,
    /// Tick of the last byte in either direction.
    pub(crate) activity: AtomicU64,
    /// Bytes that the peer owes, and since when.
    owed: AtomicU64,
    owed_since: AtomicU64,
    /// Until when each half is parked for tokens: one that was given up is parked no longer.
    parked_until: [AtomicU64; 2],
    /// The scope each half was parked for last.
    parked_for: [AtomicU8; 2],
    /// Whether this connection was ever throttled: it is counted once.
    throttled: AtomicBool,
    bytes: [AtomicU64; 2],
    /// Whether what came over it could not be used: it does not count as ended in order.
    failed: AtomicBool,
    pub(crate) framed: AtomicBool,
    pub(crate) partial_frame: AtomicBool,
    pub(crate) inbox_frames: AtomicUsize,
    pub(crate) corr_id: OnceLock<Box<str>>,
}

impl Shared {
    pub(crate) fn new(
        id: u64,
        backend: Backend,
        limiter: Limiter,
        settings: Arc<ConnSettings>,
        peer_addr: Option<PeerAddr>,
        peer: Option<Arc<Peer>>,
        born: u64,
    ) -> Self {
        Self {
            id,
            backend,
            limiter,
            settings,
            peer_addr,
            peer,
            account: Account::Conn(id),
            lanes: Default::default(),
            born,
            state: AtomicU8::new(OPEN),
            wakers: Default::default(),
            ended: Notify::new(),
            activity: AtomicU64::new(born),
            owed: AtomicU64::new(0),
            owed_since: AtomicU64::new(0),
            parked_until: Default::default(),
            parked_for: Default::default(),
            throttled: AtomicBool::new(false),
            bytes: Default::default(),
            failed: AtomicBool::new(false),
            framed: AtomicBool::new(false),
            partial_frame: AtomicBool::new(false),
            inbox_frames: AtomicUsize::new(0),
            corr_id: OnceLock::new(),
        }
    }

    /// Why the connection was ended, if it was.
    pub(crate) fn end(&self) -> Option<TransportError> {
        match self.state.load(Ordering::Acquire) {
            OPEN => None,
            CANCELLED => Some(TransportError::Cancelled),
            CLOSED => Some(TransportError::Closed),
            2 => Some(TransportError::Timeout { op: Op::Idle }),
            3 => Some(TransportError::Timeout { op: Op::Lifetime }),
            4 => Some(TransportError::Timeout { op: Op::Read }),
            _ => Some(TransportError::Timeout { op: Op::Write }),
        }
    }

    /// Ends the connection for the first caller; counts what is a reject.
    pub(crate) fn end_with(&self, error: &TransportError) {
        let state = match error {
            TransportError::Timeout { op } => code(*op),
            TransportError::Closed => CLOSED,
            _ => CANCELLED,
        };
        let first = self
            .state
            .compare_exchange(OPEN, state, Ordering::AcqRel, Ordering::Acquire)
            .is_ok();
        if !first {
            return;
        }
        if let Some(reason) = error.reason() {
            self.reject(reason, error);
        }
        self.wake();
        self.ended.notify_waiters();
    }

    pub(crate) fn reject(&self, reason: Reason, error: &TransportError) {
        let who = Who {
            conn_id: Some(self.id),
            corr_id: self.corr_id(),
            peer: self.peer_addr,
        };
        self.limiter
            .rejected(reason, self.backend, who, Some(error));
    }

    /// Notes that what came over the connection could not be used.
    pub(crate) fn fail(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Wakes both halves so that they look at the state, deadlines and rates again.
    pub(crate) fn wake(&self) {
        for waker in &self.wakers {
            waker.wake();
        }
    }

    pub(crate) fn register(&self, direction: Direction, waker: &std::task::Waker) {
        self.wakers[direction as usize].register(waker);
    }

    /// The half waits for tokens until then, and the clocks stand still for it.
    pub(crate) fn park(&self, direction: Direction, scope: Scope, until: u64) {
        self.parked_for[direction as usize].store(scope as u8, Ordering::Relaxed);
        self.parked_until[direction as usize].store(until, Ordering::Relaxed);
    }

    /// The scope that a half waits for now.
    pub(crate) fn parked(&self, direction: Direction) -> Option<Scope> {
        let until = self.parked_until[direction as usize].load(Ordering::Relaxed);
        let scope = self.parked_for[direction as usize].load(Ordering::Relaxed);
        (until > self.limiter.now()).then(|| Scope::ALL[usize::from(scope)])
    }

    /// Where an operation in this direction takes tokens of a scope.
    pub(crate) fn lane(&self, scope: Scope, direction: Direction) -> Option<&Lane> {
        match scope {
            Scope::Conn => Some(&self.lanes[direction as usize]),
            Scope::Peer => self
                .peer
                .as_ref()
                .map(|peer| &peer.lanes[direction as usize]),
            Scope::Global => Some(self.limiter.global(direction)),
            Scope::Memory => None,
        }
    }

    /// True for the first call: the connection was not throttled before.
    pub(crate) fn first_throttle(&self) -> bool {
        !self.throttled.load(Ordering::Relaxed) && !self.throttled.swap(true, Ordering::Relaxed)
    }

    /// Moves the clocks that stood still while this half was parked, and never past now: both
    /// halves may have been parked at once. A parked write gives a slow peer no time to pay.
    pub(crate) fn unpark(&self, direction: Direction, by: u64) {
        self.parked_until[direction as usize].store(0, Ordering::Relaxed);
        let now = self.limiter.now();
        let shift = |clock: &AtomicU64| {
            let shifted = |at: u64| Some(at.saturating_add(by).min(now));
            let _ = clock.fetch_update(Ordering::Relaxed, Ordering::Relaxed, shifted);
        };
        shift(&self.activity);
        if direction == Direction::In && self.owed.load(Ordering::Relaxed) != 0 {
            shift(&self.owed_since);
        }
    }

    /// Notes bytes that moved. Only the half's own task adds, so no read-modify-write is needed
    /// for the count.
    pub(crate) fn moved(&self, direction: Direction, bytes: u64, now: u64) {
        let total = &self.bytes[direction as usize];
        total.store(total.load(Ordering::Relaxed) + bytes, Ordering::Relaxed);
        self.activity.fetch_max(now, Ordering::Relaxed);
        // A half that never waits meets no timer.
        if self.settings.lifetime != 0 && now >= self.born.saturating_add(self.settings.lifetime) {
            self.end_with(&TransportError::Timeout { op: Op::Lifetime });
        }
    }

    /// The peer owes this many bytes from now on; 0 takes it back.
    pub(crate) fn owe(&self, bytes: u64) {
        let since = if bytes == 0 { 0 } else { self.limiter.now() };
        self.owed_since.store(since, Ordering::Relaxed);
        self.owed.store(bytes, Ordering::Relaxed);
    }

    /// Wakes one half.
    pub(crate) fn wake_half(&self, direction: Direction) {
        self.wakers[direction as usize].wake();
    }

    /// Settles owed bytes that came.
    pub(crate) fn paid(&self, bytes: u64) {
        if self.owed.load(Ordering::Relaxed) != 0 {
            let less = |owed: u64| Some(owed.saturating_sub(bytes));
            let _ = self
                .owed
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        }
    }

    pub(crate) fn total(&self, direction: Direction) -> u64 {
        self.bytes[direction as usize].load(Ordering::Relaxed)
    }

    /// The deadline of the read for which bytes are owed.
    pub(crate) fn read_deadline(&self) -> Option<u64> {
        let owed = self.owed.load(Ordering::Relaxed) != 0;
        owed.then(|| {
            self.owed_since
                .load(Ordering::Relaxed)
                .saturating_add(self.settings.read)
        })
    }

    /// The next of idle and lifetime, and which it is. While a half is parked for tokens the idle
    /// clock stands still.
    pub(crate) fn end_of_life(&self) -> (u64, Op) {
        let [inbound, outbound] = &self.parked_until;
        let clocks = [&self.activity, inbound, outbound];
        let from = clocks.map(|clock| clock.load(Ordering::Relaxed));
        let from = from.into_iter().max().unwrap_or(0);
        let idle = from.saturating_add(self.settings.idle);
        match self.settings.lifetime {
            0 => (idle, Op::Idle),
            life => {
                let end = self.born.saturating_add(life);
                if end <= idle {
                    (end, Op::Lifetime)
                } else {
                    (idle, Op::Idle)
                }
            }
        }
    }

    pub(crate) fn corr_id(&self) -> Option<&str> {
        self.corr_id.get().map(|id| &**id)
    }
}
