//! A served, guarded listener, and raw peers without a guard.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use transport_core::{Backend, Connection, Dialer, Listener, Pending, Target, TransportError};
use transport_limits::{Guard, GuardedIo, Limiter, Limits};

use crate::{Harness, Opened, Recorder};

/// The raw stream of the accepting side.
pub(super) type AcceptedIo<H> = <<<H as Harness>::Listener as Listener>::Pending as Pending>::Io;
/// The raw stream of the dialing side.
pub(super) type DialedIo<H> = <<H as Harness>::Dialer as Dialer>::Io;
/// Our side: an accepted, guarded connection.
pub(super) type Ours<H> = Connection<GuardedIo<AcceptedIo<H>>>;
/// The result of an admitted connection's handshake.
type HandshakeResult<L> =
    Result<Connection<GuardedIo<<<L as Listener>::Pending as Pending>::Io>>, TransportError>;
/// The other side: a connection without a guard.
pub(super) type Peer<H> = Connection<DialedIo<H>>;

/// Accepts connections and completes their handshakes until it is dropped.
pub(super) struct Rig<H: Harness> {
    pub(super) limiter: Limiter,
    pub(super) recorder: Recorder,
    pub(super) dialer: H::Dialer,
    pub(super) target: Target,
    pub(super) backend: Backend,
    established: mpsc::Receiver<HandshakeResult<H::Listener>>,
    accepting: JoinHandle<()>,
}

impl<H: Harness> Drop for Rig<H> {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl<H: Harness> Rig<H> {
    pub(super) async fn new(harness: &H, tune: impl FnOnce(&mut Limits)) -> Self {
        let recorder = Recorder::new();
        let limiter = limiter(&recorder, tune);
        let Opened {
            listener,
            dialer,
            target,
        } = harness.open().await;
        let backend = dialer.backend();
        let guard = Guard::new(listener, &limiter);
        let (queue, established) = mpsc::channel(64);
        let accepting = tokio::spawn(accept(guard, queue));
        Self {
            limiter,
            recorder,
            dialer,
            target,
            backend,
            established,
            accepting,
        }
    }

    /// Returns the next admitted connection.
    pub(super) async fn next(&mut self) -> Result<Ours<H>, TransportError> {
        self.established
            .recv()
            .await
            .expect("the accept loop never ends")
    }

    /// Dials as a peer that is admitted.
    pub(super) async fn connect(&mut self) -> (Ours<H>, Peer<H>) {
        let (dialer, established) = (&self.dialer, &mut self.established);
        let (peer, ours) = tokio::join!(dialer.dial(&self.target), established.recv());
        (ours.unwrap().unwrap(), peer.unwrap())
    }

    /// Dials as a peer that is refused.
    ///
    /// It sees at most an end of stream.
    pub(super) async fn refused(&self) {
        let Ok(mut peer) = self.dialer.dial(&self.target).await else {
            return;
        };
        let read = peer.io.read(&mut [0; 16]).await;
        assert!(
            matches!(read, Ok(0) | Err(_)),
            "a refused peer was served: {read:?}"
        );
    }

    /// Waits until this many connections are in flight.
    pub(super) async fn inflight(&self, conns: i64) {
        let what = format!("{conns} in flight");
        self.recorder
            .wait_for(&what, |s| s.inflight() == conns)
            .await;
    }
}

/// Returns a limiter whose events are recorded.
pub(super) fn limiter(recorder: &Recorder, tune: impl FnOnce(&mut Limits)) -> Limiter {
    let mut limits = Limits::default();
    tune(&mut limits);
    Limiter::new(&limits, recorder.observer()).unwrap()
}

async fn accept<L: Listener>(mut guard: Guard<L>, queue: mpsc::Sender<HandshakeResult<L>>) {
    loop {
        let incoming = guard.accept().await;
        let queue = queue.clone();
        tokio::spawn(async move {
            let established = incoming.establish().await;
            // Behind a hop, admission decides once the peer is announced.
            if matches!(established, Err(TransportError::Refused { .. })) {
                return;
            }
            let _ = queue.send(established).await;
        });
    }
}

/// Checks that a connection carries bytes both ways.
pub(super) async fn ping<A, B>(ours: &mut A, peer: &mut B)
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let mut buf = [0; 4];
    peer.write_all(b"ping").await.unwrap();
    peer.flush().await.unwrap();
    ours.read_exact(&mut buf).await.unwrap();
    assert_eq!(&buf, b"ping");
    ours.write_all(b"pong").await.unwrap();
    ours.flush().await.unwrap();
    peer.read_exact(&mut buf).await.unwrap();
    assert_eq!(&buf, b"pong");
}

/// Returns bytes in which a lost, repeated or misplaced piece shows.
pub(super) fn pattern(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    };
    (0..len).map(|_| next()).collect()
}
