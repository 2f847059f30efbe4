//! A custom backend: services in one process, over pipes in memory.
//!
//! A caller dials a service by its name, `bus://NAME`.
//!
//! The backend implements [`Dialer`], [`Listener`], [`Pending`] and [`Io`] on raw types. The transport
//! adds admission, deadlines, rates, metrics, drain and reload. `transport-testkit` tests such a
//! backend: its `conformance!` runs every case of the contract.
#![allow(clippy::disallowed_methods)] // This service spawns tasks of its own.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{ready, Context, Poll};
use std::time::Duration;

use ron_transport::{
    echo, Backend, ConnInfo, Connection, Dialer, Io, Limits, Listener, PeerAddr, Pending, Target,
    Transport, TransportError,
};
use tokio::io::{
    duplex, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf,
};
use tokio::sync::mpsc;

/// The backend's metric label, and the scheme of its targets.
const BUS: &str = "bus";
/// Connections that wait for an accept.
const BACKLOG: usize = 128;

/// The services by name.
#[derive(Clone, Default)]
struct Bus(Arc<Mutex<HashMap<String, mpsc::Sender<Call>>>>);

impl Bus {
    /// Binds a service.
    fn bind(&self, name: &str) -> BusListener {
        let (calls, arrivals) = mpsc::channel(BACKLOG);
        let mut services = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        services.insert(name.to_owned(), calls);
        BusListener(arrivals)
    }

    /// Returns a dialer for a caller with this number.
    fn dialer(&self, caller: u64) -> BusDialer {
        BusDialer {
            bus: self.clone(),
            caller: PeerAddr::Other(caller),
        }
    }

    fn service(&self, name: &str) -> Option<mpsc::Sender<Call>> {
        let services = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        services.get(name).cloned()
    }
}

/// Calls services.
///
/// All its connections have one caller, so the limits per peer hold for it.
struct BusDialer {
    bus: Bus,
    caller: PeerAddr,
}

impl Dialer for BusDialer {
    type Io = Pipe;

    fn backend(&self) -> Backend {
        Backend::Custom(BUS)
    }

    /// Dials `bus://NAME`. A dropped future drops both ends of the pipe.
    async fn dial(&self, to: &Target) -> Result<Connection<Pipe>, TransportError> {
        let Target::Custom { address, .. } = to else {
            let what = format!("{to}: a bus target has the form bus://NAME");
            return Err(TransportError::Unsupported { what });
        };
        let refused = || TransportError::Connect {
            target: address.clone(),
            source: io::ErrorKind::ConnectionRefused.into(),
        };
        let service = self.bus.service(address).ok_or_else(refused)?;
        let (ours, theirs) = Pipe::pair();
        let call = Call {
            caller: self.caller,
            pipe: theirs,
        };
        service.send(call).await.map_err(|_| refused())?;
        Ok(Connection::new(ours, ConnInfo::new(self.backend(), None)))
    }
}

/// Yields the calls of one service. Dropping it refuses further calls.
struct BusListener(mpsc::Receiver<Call>);

impl Listener for BusListener {
    type Pending = Call;

    fn backend(&self) -> Backend {
        Backend::Custom(BUS)
    }

    /// Cancel-safe, as `recv` is.
    async fn accept(&mut self) -> Result<Call, TransportError> {
        match self.0.recv().await {
            Some(call) => Ok(call),
            // The bus is gone: wait, as a socket without clients does.
            None => std::future::pending().await,
        }
    }
}

/// An accepted call. Dropping it drops the pipe, whose other end then reads its end.
struct Call {
    caller: PeerAddr,
    pipe: Pipe,
}

impl Pending for Call {
    type Io = Pipe;

    /// Establishing never waits for the caller, so it needs no task.
    const HANDSHAKE: bool = false;

    fn peer(&self) -> PeerAddr {
        self.caller
    }

    async fn establish(self) -> Result<Connection<Pipe>, TransportError> {
        let info = ConnInfo::new(Backend::Custom(BUS), Some(self.caller));
        Ok(Connection::new(self.pipe, info))
    }
}

/// One end of a connection.
struct Pipe {
    inner: DuplexStream,
    /// Whether the other end was aborted.
    is_reset: Arc<AtomicBool>,
    /// Whether this end was.
    resets_peer: Arc<AtomicBool>,
}

impl Pipe {
    fn pair() -> (Self, Self) {
        let (first, second) = duplex(16 << 10);
        let (a, b) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        let end = |inner, is_reset: &Arc<AtomicBool>, resets_peer: &Arc<AtomicBool>| Self {
            inner,
            is_reset: Arc::clone(is_reset),
            resets_peer: Arc::clone(resets_peer),
        };
        (end(first, &a, &b), end(second, &b, &a))
    }
}

impl Io for Pipe {
    /// The drop that follows wakes the other end.
    fn abort(&mut self) {
        self.resets_peer.store(true, Ordering::Release);
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let has_room = buf.remaining() > 0;
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        let is_end = has_room && buf.filled().len() == before;
        if is_end && self.is_reset.load(Ordering::Acquire) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    /// Ends this direction only.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bus = Bus::default();
    let transport = Transport::builder()
        .raw_listener(BUS, bus.bind("echo"))
        .raw_dialer(BUS, bus.dialer(7))
        .limits(Limits::new().with_peer_max_conns(1)?)
        .build()?;
    let transport = Arc::new(transport);
    println!("listening on {}", transport.listen().await?);
    let serving = tokio::spawn(Arc::clone(&transport).serve_owned(echo));

    let mut conn = transport.dial("bus://echo").await?;
    conn.write_all(b"hello").await?;
    let mut answer = [0; 5];
    conn.read_exact(&mut answer).await?;
    assert_eq!(&answer, b"hello");
    println!("backend {}: echoed", conn.info().backend);

    // The limits per peer count by the number of the caller.
    let mut second = transport.dial("bus://echo").await?;
    println!(
        "second connection: {} bytes",
        second.read(&mut answer).await?
    );

    let unknown = transport.dial("bus://printer").await;
    println!("bus://printer: {}", unknown.err().ok_or("it was served")?);
    let unknown = transport.dial("can://0").await;
    println!("can://0: {}", unknown.err().ok_or("it was dialed")?);

    drop((conn, second));
    let report = transport.shutdown(Duration::from_secs(5)).await;
    serving.await??;
    println!("aborted {}", report.aborted);
    Ok(())
}
