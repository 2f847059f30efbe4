//! The state of one connection that several tasks access.
//!
//! A stream reads this state with relaxed loads; no operation takes a lock for it. The clocks and
//! deadlines are in `deadlines`.

mod deadlines;
mod rare;
mod watch;

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use tokio::runtime::Handle;
use tokio::sync::Notify;
use transport_core::{Backend, ConnInfo, Direction, Op, PeerAddr, Reason, Scope, TransportError};

use crate::activity::Activity;
use crate::budget::MemoryAccount;
use crate::conn_settings::ConnSettings;
use crate::core::Core;
use crate::ending::{CloseMode, Ending};
use crate::event::ConnLabels;
use crate::peers::PeerState;
use crate::shared_bucket::SharedBucket;
use crate::sync::AtomicWaker;
use rare::{RareState, UpgradedStream};
pub(crate) use watch::WatchGuard;

#[derive(Debug)]
pub(crate) struct ConnState {
    pub(crate) core: Arc<Core>,
    pub(crate) settings: Arc<ConnSettings>,
    /// The description from before an upgrade.
    info: Arc<ConnInfo>,
    pub(crate) peer: Option<Arc<PeerState>>,
    /// Whether the peer opened the connection.
    pub(crate) accepted: bool,
    /// Bytes in, bytes out: the connection's own scope.
    pub(crate) buckets: [SharedBucket; 2],
    pub(crate) born: u64,
    /// Tick of the last activity that the registry has seen.
    pub(crate) seen: AtomicU64,
    /// An [`Ending`], or 0 while the connection is open.
    state: crate::sync::AtomicU8,
    wakers: [AtomicWaker; 2],
    pub(crate) ended: Notify,
    /// When a watcher evaluates the deadlines next; the maximum without one.
    watched_until: crate::sync::AtomicU64,
    /// Notifications of `ended`, counted before each.
    notices: AtomicU32,
    stream: OnceLock<Weak<dyn CloseStream>>,
    pub(crate) activity: Activity,
    /// Idle timeout in ticks; 0 is off.
    idle: AtomicU64,
    /// The other leg of a relay.
    pair: OnceLock<Weak<ConnState>>,
    /// Whether the connection was throttled before: it is counted once.
    throttled: AtomicBool,
    bytes: [AtomicU64; 2],
    /// Whether its data was unusable, so that it counts as an error.
    failed: AtomicBool,
    rare: OnceLock<Box<RareState>>,
}

/// A stream that the end of its connection can close.
pub(crate) trait CloseStream: Send + Sync {
    /// Closes the stream, unless an operation is under way.
    fn close(&self, conn: &ConnState);
}

impl ConnState {
    pub(crate) fn new(
        info: Arc<ConnInfo>,
        core: Arc<Core>,
        settings: Arc<ConnSettings>,
        peer: Option<Arc<PeerState>>,
        born: u64,
    ) -> Self {
        let idle = AtomicU64::new(match peer {
            Some(_) => settings.idle,
            None => settings.dial_idle,
        });
        let announced_id = info
            .proxied
            .as_ref()
            .and_then(|facts| facts.unique_id_text())
            .filter(|id| !id.is_empty());
        let conn = Self {
            core,
            settings,
            info,
            accepted: peer.is_some(),
            peer,
            buckets: Default::default(),
            born,
            seen: AtomicU64::new(born),
            state: crate::sync::AtomicU8::new(0),
            wakers: Default::default(),
            ended: Notify::new(),
            watched_until: crate::sync::AtomicU64::new(u64::MAX),
            notices: AtomicU32::new(0),
            stream: OnceLock::new(),
            activity: Activity::new(born),
            idle,
            pair: OnceLock::new(),
            throttled: AtomicBool::new(false),
            bytes: Default::default(),
            failed: AtomicBool::new(false),
            rare: OnceLock::new(),
        };
        if let Some(id) = announced_id {
            conn.set_corr_id(&id);
        }
        conn
    }

    /// Returns the rare state, if it exists.
    fn rare(&self) -> Option<&RareState> {
        self.rare.get().map(|rare| &**rare)
    }

    /// Returns the rare state; the first call allocates it.
    fn rare_or_init(&self) -> &RareState {
        self.rare.get_or_init(Box::default)
    }

    fn upgraded(&self) -> Option<&UpgradedStream> {
        self.rare()?.upgraded.get()
    }

    /// Returns the description of the connection.
    pub(crate) fn info(&self) -> &Arc<ConnInfo> {
        match self.upgraded() {
            Some(upgraded) => &upgraded.info,
            None => &self.info,
        }
    }

    /// Returns the number of the connection.
    pub(crate) fn id(&self) -> u64 {
        self.info.id
    }

    /// Returns the backend; an upgrade does not change it.
    pub(crate) fn backend(&self) -> Backend {
        self.info.backend
    }

    pub(crate) fn peer_addr(&self) -> Option<PeerAddr> {
        self.info.peer
    }

    /// Returns the account of held bytes.
    ///
    /// It is the peer's, or the connection's if dialed.
    pub(crate) fn account(&self) -> MemoryAccount {
        match &self.peer {
            Some(peer) => MemoryAccount::Peer(peer.key()),
            None => MemoryAccount::Conn(self.id()),
        }
    }

    /// Returns why the connection was ended, if it was.
    pub(crate) fn ending(&self) -> Option<Ending> {
        Ending::from_word(self.state.load(Ordering::Acquire))
    }

    /// Returns the error of every operation once the connection was ended.
    pub(crate) fn end(&self) -> Option<TransportError> {
        self.ending().map(Ending::error)
    }

    /// Ends an open connection; counts an error with a reject reason.
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

    /// Sets stream and description after an upgrade; later calls have no effect.
    pub(crate) fn set_upgraded(&self, stream: Weak<dyn CloseStream>, info: Arc<ConnInfo>) {
        let upgraded = UpgradedStream { stream, info };
        let _ = self.rare_or_init().upgraded.set(upgraded);
    }

    /// Returns whether an upgrade has replaced the stream.
    pub(crate) fn is_upgraded(&self) -> bool {
        self.upgraded().is_some()
    }

    /// Closes the stream of an ended connection.
    ///
    /// An operation that is under way closes it instead, when it returns.
    pub(crate) fn close_ended(&self) {
        let Some(ending) = self.ending() else {
            return;
        };
        // An end in order may need a task, which lingers.
        if ending.close_mode() != CloseMode::Abort && Handle::try_current().is_err() {
            return;
        }
        let stream = match self.upgraded() {
            Some(upgraded) => upgraded.stream.upgrade(),
            None => self.stream.get().and_then(Weak::upgrade),
        };
        if let Some(stream) = stream {
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
            self.wake_all();
            self.close_ended();
        }
        first
    }

    /// Ends the connection by a deadline; returns the error of its operations.
    pub(crate) fn expire(&self, op: Op) -> TransportError {
        if op == Op::Lifetime && self.is_idle() {
            self.end_as(Ending::LifetimeIdle);
        } else {
            self.end_with(&TransportError::Timeout { op });
        }
        self.end().unwrap_or(TransportError::Timeout { op })
    }

    pub(crate) fn reject(&self, reason: Reason, error: &TransportError) {
        self.core
            .rejected(reason, self.backend(), self.labels(), Some(error));
    }

    pub(crate) fn labels(&self) -> ConnLabels<'_> {
        ConnLabels {
            conn_id: Some(self.id()),
            corr_id: self
                .rare()
                .and_then(|rare| rare.corr_id.get())
                .map(|id| &**id),
            peer: self.peer_addr(),
            via: self.info().proxied.as_ref().and_then(|facts| facts.via),
        }
    }

    /// Sets the embedder's id for log events; the first call wins.
    pub(crate) fn set_corr_id(&self, id: &str) {
        let _ = self.rare_or_init().corr_id.set(id.into());
    }

    /// Notes that data of the connection was unusable.
    pub(crate) fn fail(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Wakes both halves, so that they re-evaluate state, deadlines and rates.
    pub(crate) fn wake(&self) {
        for waker in &self.wakers {
            waker.wake();
        }
    }

    /// Wakes both halves, and the waiters of `Control::ended`.
    fn wake_all(&self) {
        self.wake();
        self.notices.fetch_add(1, Ordering::Relaxed);
        self.ended.notify_waiters();
    }

    /// Returns the number of notifications of `ended`.
    ///
    /// A waiter that was woken by one sees its number.
    pub(crate) fn notices(&self) -> u32 {
        self.notices.load(Ordering::Relaxed)
    }

    pub(crate) fn wake_half(&self, direction: Direction) {
        self.wakers[direction as usize].wake();
    }

    pub(crate) fn register(&self, direction: Direction, waker: &std::task::Waker) {
        self.wakers[direction as usize].register(waker);
    }

    /// Returns the bucket of a scope for operations in this direction.
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
            Scope::Global => Some(self.core.global(direction)),
            Scope::Memory => None,
        }
    }

    /// Notes a throttle; returns whether it is the connection's first.
    pub(crate) fn first_throttle(&self) -> bool {
        !self.throttled.load(Ordering::Relaxed) && !self.throttled.swap(true, Ordering::Relaxed)
    }

    /// Counts moved bytes, and ends the connection past its lifetime.
    pub(crate) fn moved(&self, direction: Direction, bytes: u64, now: u64) {
        // Only the half's own task adds, so the count needs no read-modify-write.
        let total = &self.bytes[direction as usize];
        total.store(total.load(Ordering::Relaxed) + bytes, Ordering::Relaxed);
        self.activity.moved(direction, now);
        // A half that never waits polls no timer.
        if now >= self.dies_at() {
            self.expire(Op::Lifetime);
        }
    }

    pub(crate) fn total(&self, direction: Direction) -> u64 {
        self.bytes[direction as usize].load(Ordering::Relaxed)
    }
}
