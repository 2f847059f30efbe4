//! A guarded in-memory listener and its peers.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use transport_core::{Backend, Connection, Dialer, Target};
use transport_limits::{ByteRates, Deadlines, Guard, GuardedIo, Limiter, Limits};
use transport_testkit::{MemoryDialer, MemoryIo, MemoryListener, Recorder, WriteLog};

/// The guarded side.
pub(crate) type Ours = Connection<GuardedIo<MemoryIo>>;
/// The peer's side, without a guard.
pub(crate) type Peer = Connection<MemoryIo>;

/// The smallest chunk.
pub(crate) const CHUNK: usize = 4 << 10;

pub(crate) struct Rig {
    pub(crate) limits: Limits,
    pub(crate) limiter: Limiter,
    pub(crate) recorder: Recorder,
    pub(crate) guard: Guard<MemoryListener>,
    pub(crate) dialer: MemoryDialer,
    pub(crate) writes: Arc<WriteLog>,
}

impl Rig {
    pub(crate) fn new(tune: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = Limits::default();
        tune(&mut limits);
        let recorder = Recorder::new();
        let limiter = Limiter::new(&limits, recorder.observer()).unwrap();
        let (listener, dialer) = MemoryListener::bind(Backend::Tcp);
        let writes = listener.writes();
        let guard = Guard::new(listener, &limiter);
        Self {
            limits,
            limiter,
            recorder,
            guard,
            dialer,
            writes,
        }
    }

    pub(crate) async fn connect(&mut self) -> (Ours, Peer) {
        let peer = self.dialer.dial(&anywhere()).await.unwrap();
        let ours = self.guard.accept().await.establish().await.unwrap();
        (ours, peer)
    }

    /// Changes and applies the limits.
    pub(crate) fn apply(&mut self, tune: impl FnOnce(&mut Limits)) {
        tune(&mut self.limits);
        self.limiter.apply(&self.limits).unwrap();
    }
}

pub(crate) fn anywhere() -> Target {
    Target::host("memory", 1).unwrap()
}

pub(crate) fn rates(limits: &mut Limits, set: impl FnOnce(&mut ByteRates)) {
    let mut rates = limits.rates();
    set(&mut rates);
    limits.set_rates(rates).unwrap();
}

pub(crate) fn deadlines(limits: &mut Limits, set: impl FnOnce(&mut Deadlines)) {
    let mut deadlines = limits.deadlines();
    set(&mut deadlines);
    limits.set_deadlines(deadlines).unwrap();
}

/// Sets the smallest chunk; returns the rate for this duration.
pub(crate) fn chunk_in(limits: &mut Limits, duration: Duration) -> u64 {
    limits.set_chunk_bytes(CHUNK as u64).unwrap();
    (CHUNK as u64 * 1000).div_ceil(u64::try_from(duration.as_millis()).unwrap())
}

/// Asserts a duration, to the resolution of tokio's timers.
pub(crate) fn assert_took(took: Duration, wanted: Duration) {
    let near = Duration::from_millis(20);
    assert!(
        took + near >= wanted && took <= wanted + near,
        "took {took:?}, not {wanted:?}"
    );
}

/// Asserts a lifetime between 90 % and 100 % of the maximum.
pub(crate) fn assert_lifetime(took: Duration, max: Duration) {
    let near = Duration::from_millis(20);
    assert!(
        took + near >= max * 9 / 10 && took <= max + near,
        "took {took:?}, not 90 % to 100 % of {max:?}"
    );
}

/// Sends bytes both ways.
pub(crate) async fn ping<A, B>(ours: &mut A, peer: &mut B)
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let mut buf = [0; 4];
    peer.write_all(b"ping").await.unwrap();
    ours.read_exact(&mut buf).await.unwrap();
    ours.write_all(&buf).await.unwrap();
    peer.read_exact(&mut buf).await.unwrap();
    assert_eq!(&buf, b"ping");
}
