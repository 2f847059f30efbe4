//! The state of one connection that more than its stream may touch.
//!
//! A stream reads this state with relaxed loads; nothing in it is locked by an operation.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicU8, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use atomic_waker::AtomicWaker;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use transport_core::{Backend, ConnInfo, Direction, Op, PeerAddr, Reason, Scope, TransportError};

use crate::activity::Activity;
use crate::budget::MemoryAccount;
use crate::clock::scatter;
use crate::conn_settings::ConnSettings;
use crate::ending::{CloseMode, Ending};
use crate::event::ConnLabels;
use crate::io::CloseStream;
use crate::limiter::Limiter;
use crate::peers::PeerState;
use crate::shared_bucket::SharedBucket;

#[derive(Debug)]
pub(crate) struct ConnState {
    pub(crate) id: u64,
    pub(crate) backend: Backend,
    pub(crate) limiter: Limiter,
    pub(crate) settings: Arc<ConnSettings>,
    pub(crate) peer_addr: Option<PeerAddr>,
    info: OnceLock<Arc<ConnInfo>>,
    pub(crate) peer: Option<Arc<PeerState>>,
    /// Whether the peer opened the connection.
    pub(crate) accepted: bool,
    /// On whose behalf bytes are held; by itself unless it is set.
    pub(crate) account: MemoryAccount,
    /// Bytes in, bytes out: this connection's own scope.
    pub(crate) buckets: [SharedBucket; 2],
    pub(crate) born: u64,
    /// The tick of the last activity that the register of open connections knows of.
    pub(crate) seen: AtomicU64,
    /// An [`Ending`], or 0 while the connection is open.
    state: crate::sync::AtomicU8,
    wakers: [AtomicWaker; 2],
    pub(crate) ended: Notify,
    /// The open stream.
    stream: OnceLock<Weak<dyn CloseStream>>,
    pub(crate) activity: Activity,
    /// Idle timeout in ticks; 0 is off.
    idle: AtomicU64,
    /// The tick at which the maximal lifetime ends.
    dies_at: u64,
    /// The other leg of a relay.
    pair: OnceLock<Weak<ConnState>>,
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
    pub(crate) corr_id: OnceLock<Box<str>>,
}

impl ConnState {
    pub(crate) fn new(
        id: u64,
        backend: Backend,
        limiter: Limiter,
        settings: Arc<ConnSettings>,
        peer_addr: Option<PeerAddr>,
        peer: Option<Arc<PeerState>>,
        born: u64,
    ) -> Self {
        let idle = AtomicU64::new(settings.idle);
        let dies_at = match settings.lifetime {
            0 => u64::MAX,
            // A tenth of it is each connection's own, so that those opened together do not end
            // and reconnect together.
            life => born.saturating_add(life - scatter(id, born, life / 10)),
        };
        Self {
            id,
            backend,
            limiter,
            settings,
            peer_addr,
            info: OnceLock::new(),
            accepted: peer.is_some(),
            peer,
            account: MemoryAccount::Conn(id),
            buckets: Default::default(),
            born,
            seen: AtomicU64::new(born),
            state: crate::sync::AtomicU8::new(0),
            wakers: Default::default(),
            ended: Notify::new(),
            stream: OnceLock::new(),
            activity: Activity::new(born),
            idle,
            dies_at,
            pair: OnceLock::new(),
            owed: AtomicU64::new(0),
            owed_since: AtomicU64::new(0),
            parked_until: Default::default(),
            parked_for: Default::default(),
            throttled: AtomicBool::new(false),
            bytes: Default::default(),
            failed: AtomicBool::new(false),
            corr_id: OnceLock::new(),
        }
    }

    /// Sets the description that [`info`](Self::info) returns; the first call counts.
    pub(crate) fn set_info(&self, info: &Arc<ConnInfo>) {
        let _ = self.info.set(Arc::clone(info));
    }

    /// Returns the description of the connection.
    pub(crate) fn info(&self) -> &ConnInfo {
        let of_state = || Arc::new(ConnInfo::new(self.backend, self.peer_addr));
        self.info.get_or_init(of_state)
    }

    /// Returns why the connection was ended, if it was.
    pub(crate) fn ending(&self) -> Option<Ending> {
        Ending::from_word(self.state.load(Ordering::Acquire))
    }

    /// Returns what operations report once the connection was ended.
    pub(crate) fn end(&self) -> Option<TransportError> {
        self.ending().map(Ending::error)
    }

    /// Ends the connection for the first caller; counts what is a reject.
    pub(crate) fn end_with(&self, error: &TransportError) {
        if self.end_as(Ending::of(error)) {
            if let Some(reason) = error.reason() {
                self.reject(reason, error);
            }
        }
    }

    /// Sets the stream that the end of the connection closes.
    pub(crate) fn set_stream(&self, stream: Weak<dyn CloseStream>) {
        let _ = self.stream.set(stream);
    }

    /// Closes the stream of a connection that has ended, whatever its owner does; not while an
    /// operation on it is under way, which then closes it.
    pub(crate) fn close_ended(&self) {
        let Some(ending) = self.ending() else {
            return;
        };
        // An end in order may have to linger, in a task.
        if ending.close_mode() != CloseMode::Abort && Handle::try_current().is_err() {
            return;
        }
        if let Some(stream) = self.stream.get().and_then(Weak::upgrade) {
            stream.close(self);
        }
    }

    /// Ends the connection and closes its stream; returns whether it was open.
    pub(crate) fn end_as(&self, ending: Ending) -> bool {
        let first = self
            .state
            .compare_exchange(0, ending.word(), Ordering::AcqRel, Ordering::Acquire)
            .is_ok();
        if first {
            self.wake();
            self.ended.notify_waiters();
            self.close_ended();
        }
        first
    }

    /// Ends the connection by a deadline that passed; returns what its operations report.
    pub(crate) fn expire(&self, op: Op) -> TransportError {
        if op == Op::Lifetime && self.is_idle() {
            self.end_as(Ending::LifetimeIdle);
        } else {
            self.end_with(&TransportError::Timeout { op });
        }
        self.end().unwrap_or(TransportError::Timeout { op })
    }

    /// Makes another connection the other leg of a relay: both are idle, or neither is.
    pub(crate) fn pair_with(self: &Arc<Self>, other: &Arc<Self>) {
        let _ = self.pair.set(Arc::downgrade(other));
        let _ = other.pair.set(Arc::downgrade(self));
    }

    pub(crate) fn pair(&self) -> Option<Arc<Self>> {
        self.pair.get()?.upgrade()
    }

    /// Returns whether no answer is owed and nothing is in flight, on either leg of a relay.
    pub(crate) fn is_idle(&self) -> bool {
        let now = self.limiter.now();
        let idle = |leg: &Self| {
            let parked = |half: &Direction| leg.parked(*half).is_some();
            leg.activity.is_idle(leg.accepted, now) && !Direction::ALL.iter().any(parked)
        };
        idle(self) && self.pair().map_or(true, |other| idle(&other))
    }

    /// Notes that a direction has ended in order.
    pub(crate) fn half_ended(&self, direction: Direction) {
        if self.activity.has_ended(direction) {
            return;
        }
        self.activity.end(direction);
        // Timers that run already are for the idle timeout.
        let idle = self.idle.load(Ordering::Relaxed);
        if idle == 0 || self.settings.half_close < idle {
            self.wake();
            self.ended.notify_waiters();
        }
    }

    pub(crate) fn set_idle(&self, ticks: u64) {
        self.idle.store(ticks, Ordering::Relaxed);
        self.wake();
        self.ended.notify_waiters();
    }

    pub(crate) fn reject(&self, reason: Reason, error: &TransportError) {
        let who = ConnLabels {
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
    pub(crate) fn shared_bucket(
        &self,
        scope: Scope,
        direction: Direction,
    ) -> Option<&SharedBucket> {
        match scope {
            Scope::Conn => Some(&self.buckets[direction as usize]),
            Scope::Peer => self
                .peer
                .as_ref()
                .map(|peer| &peer.buckets[direction as usize]),
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
        self.activity.shift(by, now);
        if direction == Direction::In && self.owed.load(Ordering::Relaxed) != 0 {
            let shifted = |at: u64| Some(at.saturating_add(by).min(now));
            let _ = self
                .owed_since
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, shifted);
        }
    }

    /// Notes bytes that moved. Only the half's own task adds, so no read-modify-write is needed
    /// for the count.
    pub(crate) fn moved(&self, direction: Direction, bytes: u64, now: u64) {
        let total = &self.bytes[direction as usize];
        total.store(total.load(Ordering::Relaxed) + bytes, Ordering::Relaxed);
        self.activity.moved(direction, now);
        // A half that never waits meets no timer.
        if now >= self.dies_at {
            self.expire(Op::Lifetime);
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

    /// The tick from which this leg has been silent. While a half is parked, or a write waits for
    /// the peer, the clock stands still.
    fn active(&self) -> u64 {
        let [inbound, outbound] = &self.parked_until;
        let parked = inbound
            .load(Ordering::Relaxed)
            .max(outbound.load(Ordering::Relaxed));
        parked.max(self.activity.silent_since())
    }

    /// Returns the next of idle, half-close and lifetime, and which it is, by the clocks of this
    /// leg alone: never later than [`end_of_relay`](Self::end_of_relay).
    pub(crate) fn end_of_life(&self) -> (u64, Op) {
        self.silent_until(self.active())
    }

    /// As [`end_of_life`](Self::end_of_life), by the clocks of both legs of a relay; work that
    /// was announced by [`Control::busy`](crate::Control::busy) is activity.
    pub(crate) fn end_of_relay(&self) -> (u64, Op) {
        let now = || self.limiter.now();
        let active = |leg: &Self| {
            if leg.activity.is_busy() {
                now()
            } else {
                leg.active()
            }
        };
        let other = self.pair().map_or(0, |other| active(&other));
        self.silent_until(active(self).max(other))
    }

    fn silent_until(&self, active: u64) -> (u64, Op) {
        let idle = self.idle.load(Ordering::Relaxed);
        let mut next = (u64::MAX, Op::Idle);
        if idle != 0 {
            next.0 = active.saturating_add(idle);
        }
        if self.activity.is_half_closed() {
            let half_close = active.saturating_add(self.settings.half_close);
            if half_close < next.0 {
                next = (half_close, Op::HalfClose);
            }
        }
        if self.dies_at <= next.0 {
            next = (self.dies_at, Op::Lifetime);
        }
        next
    }

    pub(crate) fn corr_id(&self) -> Option<&str> {
        self.corr_id.get().map(|id| &**id)
    }
}
