//! The accepting side: a bounded backlog, and handshakes by script.

use std::collections::VecDeque;
use std::future::{pending, poll_fn};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use ron_transport::{
    Backend, ConnInfo, Connection, Listener, PeerAddr, Pending, TlsErrorKind, TransportError,
};
use tokio::time::sleep;

use super::stream::SimIo;
use super::watch::PlaceWatch;
use crate::script::Hand;

/// `ENFILE`, too many open files in the system.
const ENFILE: i32 = 23;
/// The port of the first peer; others follow.
const FIRST_PORT: u16 = 1000;

/// Returns the address of a peer.
pub(crate) fn address(peer: usize, ip: u8) -> PeerAddr {
    let port = FIRST_PORT + u16::try_from(peer).unwrap_or(0);
    PeerAddr::Ip(SocketAddr::from((Ipv4Addr::new(10, 0, 0, ip), port)))
}

/// Returns the number of the peer with this address.
pub(crate) fn peer_of(addr: Option<PeerAddr>) -> usize {
    match addr {
        Some(PeerAddr::Ip(addr)) => usize::from(addr.port() - FIRST_PORT),
        _ => usize::MAX,
    }
}

/// The connections that wait for an accept.
#[derive(Debug, Clone, Default)]
pub(crate) struct SynQueue(Arc<Mutex<QueueState>>);

#[derive(Debug, Default)]
struct QueueState {
    waiting: VecDeque<SimPending>,
    backlog: usize,
    closed: bool,
    exhausted: u32,
    aborts: u32,
    waker: Option<Waker>,
}

impl SynQueue {
    pub(crate) fn new(backlog: usize) -> Self {
        let queue = Self::default();
        queue.lock().backlog = backlog;
        queue
    }

    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a connection, unless the backlog is full or closed.
    pub(crate) fn connect(&self, pending: SimPending) -> bool {
        let mut queue = self.lock();
        if queue.closed || queue.waiting.len() >= queue.backlog {
            drop(queue);
            drop(pending);
            return false;
        }
        queue.waiting.push_back(pending);
        if let Some(waker) = queue.waker.take() {
            waker.wake();
        }
        true
    }

    /// Returns whether the listener was dropped.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Lets the next accepts fail for lack of descriptors.
    pub(crate) fn exhaust(&self, accepts: u32) {
        self.lock().exhausted += accepts;
    }

    /// Lets the next connections fail before their accept.
    pub(crate) fn abort_accepts(&self, accepts: u32) {
        self.lock().aborts += accepts;
    }
}

/// The simulated listener.
#[derive(Debug)]
pub(crate) struct SimListener(pub(crate) SynQueue);

impl Listener for SimListener {
    type Pending = SimPending;

    fn backend(&self) -> Backend {
        Backend::Tcp
    }

    async fn accept(&mut self) -> Result<SimPending, TransportError> {
        poll_fn(|cx| {
            let mut queue = self.0.lock();
            if queue.waiting.is_empty() {
                queue.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
            if queue.exhausted != 0 {
                queue.exhausted -= 1;
                let error = io::Error::from_raw_os_error(ENFILE);
                return Poll::Ready(Err(TransportError::Io(error)));
            }
            let first = queue.waiting.pop_front();
            if queue.aborts != 0 {
                queue.aborts -= 1;
                drop(queue);
                drop(first);
                let error = io::ErrorKind::ConnectionAborted.into();
                return Poll::Ready(Err(TransportError::Io(error)));
            }
            drop(queue);
            match first {
                Some(first) => {
                    first.place.accepted();
                    Poll::Ready(Ok(first))
                }
                None => Poll::Pending,
            }
        })
        .await
    }
}

impl Drop for SimListener {
    fn drop(&mut self) {
        let mut queue = self.0.lock();
        queue.closed = true;
        let waiting = std::mem::take(&mut queue.waiting);
        drop(queue);
        drop(waiting);
    }
}

/// A connection before its handshake.
#[derive(Debug)]
pub(crate) struct SimPending {
    // First, so that the stream is closed before its place is free.
    io: SimIo,
    hand: Hand,
    peer: PeerAddr,
    place: Box<dyn PlaceWatch>,
}

impl SimPending {
    pub(crate) fn new(io: SimIo, hand: Hand, peer: PeerAddr, place: Box<dyn PlaceWatch>) -> Self {
        Self {
            io,
            hand,
            peer,
            place,
        }
    }
}

impl Pending for SimPending {
    type Io = SimIo;

    fn peer(&self) -> PeerAddr {
        self.peer
    }

    async fn establish(self) -> Result<Connection<SimIo>, TransportError> {
        let Self {
            mut io,
            hand,
            peer,
            place,
        } = self;
        place.began();
        let wait = |ms| sleep(Duration::from_millis(ms));
        match hand {
            Hand::Instant => {}
            Hand::Takes(ms) => wait(ms).await,
            Hand::Never => pending().await,
            Hand::Fails(ms) => {
                wait(ms).await;
                return Err(TransportError::Tls {
                    kind: TlsErrorKind::Other,
                    source: "the script lets the handshake fail".into(),
                });
            }
            Hand::Leaves(ms) => {
                wait(ms).await;
                return Err(TransportError::Closed);
            }
        }
        place.established();
        io.hold_place(place);
        Ok(Connection::new(io, ConnInfo::new(Backend::Tcp, Some(peer))))
    }
}
