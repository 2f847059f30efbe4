//! The state of one connection that more than its stream may touch, and the handle on it.
//!
//! A stream reads this state with relaxed loads; nothing in it is locked by an operation.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use atomic_waker::AtomicWaker;
use tokio::sync::Notify;
use transport_core::{Backend, Direction, Op, Reason, TransportError};

use crate::bucket::Bucket;
use crate::clock::SECOND;
use crate::limiter::{ConnSettings, Limiter};
use crate::peers::Peer;

/// Longest correlation id that is kept, in bytes.
const MAX_CORR_ID: usize = 128;

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
    pub(crate) peer: Option<Arc<Peer>>,
    /// Bytes in, bytes out: this connection's own scope.
    pub(crate) buckets: [Bucket; 2],
    pub(crate) born: u64,
    state: AtomicU8,
    wakers: [AtomicWaker; 2],
    ended: Notify,
    /// Tick of the last byte in either direction.
    pub(crate) activity: AtomicU64,
    /// Bytes that the peer owes, and since when.
    owed: AtomicU64,
    owed_since: AtomicU64,
    /// Bit 0: the read half is parked for tokens; bit 1: the write half.
    parked: AtomicU8,
    /// Whether this connection was ever throttled: it is counted once.
    throttled: AtomicBool,
    bytes: [AtomicU64; 2],
    /// Whether what came over it could not be used: it does not count as ended in order.
    failed: AtomicBool,
    framed: AtomicBool,
    partial_frame: AtomicBool,
    pub(crate) inbox_frames: AtomicUsize,
    corr_id: OnceLock<Box<str>>,
}

impl Shared {
    pub(crate) fn new(
        id: u64,
        backend: Backend,
        limiter: Limiter,
        settings: Arc<ConnSettings>,
        peer: Option<Arc<Peer>>,
    ) -> Self {
        let born = limiter.now();
        Self {
            id,
            backend,
            limiter,
            settings,
            peer,
            buckets: Default::default(),
            born,
            state: AtomicU8::new(OPEN),
            wakers: Default::default(),
            ended: Notify::new(),
            activity: AtomicU64::new(born),
            owed: AtomicU64::new(0),
            owed_since: AtomicU64::new(0),
            parked: AtomicU8::new(0),
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
        self.limiter
            .rejected(reason, self.backend, Some(self), None, Some(error));
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

    pub(crate) fn set_parked(&self, direction: Direction, parked: bool) {
        let bit = 1 << direction as u8;
        if parked {
            self.parked.fetch_or(bit, Ordering::Relaxed);
        } else {
            self.parked.fetch_and(!bit, Ordering::Relaxed);
        }
    }

    pub(crate) fn is_parked(&self, direction: Direction) -> bool {
        self.parked.load(Ordering::Relaxed) & (1 << direction as u8) != 0
    }

    pub(crate) fn any_parked(&self) -> bool {
        self.parked.load(Ordering::Relaxed) != 0
    }

    /// True for the first call: the connection was not throttled before.
    pub(crate) fn first_throttle(&self) -> bool {
        !self.throttled.load(Ordering::Relaxed) && !self.throttled.swap(true, Ordering::Relaxed)
    }

    /// Moves the clocks that stand still while an operation is parked.
    pub(crate) fn shift_clocks(&self, by: u64) {
        self.activity.fetch_add(by, Ordering::Relaxed);
        if self.owed.load(Ordering::Relaxed) != 0 {
            self.owed_since.fetch_add(by, Ordering::Relaxed);
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

    /// Settles owed bytes that came.
    pub(crate) fn paid(&self, bytes: u64) {
        let owed = self.owed.load(Ordering::Relaxed);
        if owed != 0 {
            self.owed
                .store(owed.saturating_sub(bytes), Ordering::Relaxed);
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

    /// The next of idle and lifetime, and which it is. While an operation is parked for tokens
    /// the idle clock stands still, so it is taken to have just begun.
    pub(crate) fn end_of_life(&self, now: u64) -> (u64, Op) {
        let from = if self.any_parked() {
            now
        } else {
            self.activity.load(Ordering::Relaxed)
        };
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

/// A handle on one guarded connection: it cancels, counts and says what is owed. Cheap to clone;
/// it keeps no socket open.
#[derive(Debug, Clone)]
pub struct Control(pub(crate) Arc<Shared>);

impl Control {
    /// Number of the connection, unique in the process; `conn_id` in logs.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// Ends the connection: both halves return [`TransportError::Cancelled`] from now on, also
    /// in the middle of a transfer.
    pub fn cancel(&self) {
        self.0.end_with(&TransportError::Cancelled);
    }

    /// Whether the connection was ended, by [`cancel`](Self::cancel) or by a deadline.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.0.end().is_some()
    }

    /// Says that the peer owes `bytes` from now on: they must arrive within `read_timeout`, or
    /// reads end in a timeout. It replaces what was owed before; 0 takes it back.
    pub fn expect_read(&self, bytes: u64) {
        self.owe(bytes);
        // A read that waits already has to reckon with it.
        self.0.wakers[Direction::In as usize].wake();
    }

    /// As [`expect_read`](Self::expect_read), by the task that reads.
    pub(crate) fn owe(&self, bytes: u64) {
        let since = if bytes == 0 { 0 } else { self.0.limiter.now() };
        self.0.owed_since.store(since, Ordering::Relaxed);
        self.0.owed.store(bytes, Ordering::Relaxed);
    }

    /// Bytes read from the peer so far.
    #[must_use]
    pub fn bytes_in(&self) -> u64 {
        self.0.total(Direction::In)
    }

    /// Bytes written to the peer so far.
    #[must_use]
    pub fn bytes_out(&self) -> u64 {
        self.0.total(Direction::Out)
    }

    /// Ties log events of this connection to the embedder's own id. The first call counts; the
    /// text is cut at 128 bytes.
    pub fn set_corr_id(&self, id: &str) {
        let mut cut = id.len().min(MAX_CORR_ID);
        while !id.is_char_boundary(cut) {
            cut -= 1;
        }
        let _ = self.0.corr_id.set(id[..cut].into());
    }

    /// Waits until the connection is ended, by [`cancel`](Self::cancel), by a deadline or, as
    /// [`TransportError::Closed`], by the drop of its stream. Meanwhile it enforces idle timeout
    /// and lifetime, also where nobody polls the stream.
    ///
    /// # Cancel safety
    /// Cancel-safe.
    pub async fn ended(&self) -> TransportError {
        let shared = &*self.0;
        let notified = shared.ended.notified();
        tokio::pin!(notified);
        notified.as_mut().enable();
        loop {
            if let Some(error) = shared.end() {
                return error;
            }
            let now = shared.limiter.now();
            let (deadline, op) = shared.end_of_life(now);
            if deadline <= now {
                shared.end_with(&TransportError::Timeout { op });
                continue;
            }
            tokio::select! {
                () = &mut notified => {}
                () = tokio::time::sleep_until(shared.limiter.instant(deadline)) => {}
            }
        }
    }

    /// Waits until the connection is ended, whoever ends it.
    pub(crate) async fn cancelled(&self) {
        let notified = self.0.ended.notified();
        tokio::pin!(notified);
        notified.as_mut().enable();
        if self.0.end().is_none() {
            notified.await;
        }
    }

    /// Whether a drain may end the connection now: framed, no partial frame and an empty inbox;
    /// raw, no byte for a second.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let shared = &*self.0;
        if shared.framed.load(Ordering::Relaxed) {
            let partial = shared.partial_frame.load(Ordering::Relaxed);
            return !partial && shared.inbox_frames.load(Ordering::Relaxed) == 0;
        }
        let since = shared
            .limiter
            .now()
            .saturating_sub(shared.activity.load(Ordering::Relaxed));
        since >= SECOND && !shared.any_parked()
    }

    pub(crate) fn set_framed(&self) {
        self.0.framed.store(true, Ordering::Relaxed);
    }

    pub(crate) fn set_partial_frame(&self, partial: bool) {
        self.0.partial_frame.store(partial, Ordering::Relaxed);
    }

    /// How long the connection has lived.
    #[must_use]
    pub fn age(&self) -> std::time::Duration {
        crate::clock::duration(self.0.limiter.now().saturating_sub(self.0.born))
    }

    /// The idle timeout in force for this connection.
    #[must_use]
    pub fn idle_timeout(&self) -> std::time::Duration {
        crate::clock::duration(self.0.settings.idle)
    }
}

const _: () = assert!(ticks_fit());

const fn ticks_fit() -> bool {
    // Ten years of ticks, the longest duration a setting takes, twice over.
    SECOND.checked_mul(20 * 365 * 24 * 3600).is_some()
}
