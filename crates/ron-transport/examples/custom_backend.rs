//! A custom backend, guarded by the limits of a transport.
//!
//! Implement [`Dialer`], [`Listener`] and [`Pending`] on raw streams; [`Guard`] adds admission,
//! deadlines, rates and metrics. The connections count in the transport's limiter: its drain ends
//! them too. `transport-testkit` tests such a backend: its `conformance!` runs every case of the
//! contract.

use std::time::Duration;

use ron_transport::{
    echo, Backend, ConnInfo, Connection, Dialer, Guard, Listener, PeerAddr, Pending, Plain, Target,
    TaskKind, Transport, TransportError,
};
use tokio::io::{duplex, AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc;

/// The label of the metrics.
///
/// No label exists for this kind of backend; the nearest one is used.
const LABEL: Backend = Backend::Uds;
/// The peer: every caller in this process has the same address.
const PEER: PeerAddr = PeerAddr::Uid(0);

/// Opens a pipe in memory and passes one end to the listener.
struct PipeDialer(mpsc::Sender<DuplexStream>);

impl Dialer for PipeDialer {
    /// A plain stream: an abort only drops it.
    type Io = Plain<DuplexStream>;

    fn backend(&self) -> Backend {
        LABEL
    }

    async fn dial(&self, _to: &Target) -> Result<Connection<Self::Io>, TransportError> {
        let (ours, theirs) = duplex(16 << 10);
        let sent = self.0.send(theirs).await;
        sent.map_err(|_| TransportError::Closed)?;
        let info = ConnInfo::new(LABEL, Some(PEER));
        Ok(Connection::new(Plain(ours), info))
    }
}

struct PipeListener(mpsc::Receiver<DuplexStream>);

impl Listener for PipeListener {
    type Pending = PipePending;

    fn backend(&self) -> Backend {
        LABEL
    }

    /// Cancel-safe, as `recv` is.
    async fn accept(&mut self) -> Result<PipePending, TransportError> {
        match self.0.recv().await {
            Some(pipe) => Ok(PipePending(pipe)),
            // No dialer is left: wait forever, as a socket without clients does.
            None => std::future::pending().await,
        }
    }
}

struct PipePending(DuplexStream);

impl Pending for PipePending {
    type Io = Plain<DuplexStream>;

    /// Establishing needs no task: no step of it waits for the peer.
    const HANDSHAKE: bool = false;

    fn peer(&self) -> PeerAddr {
        PEER
    }

    async fn establish(self) -> Result<Connection<Self::Io>, TransportError> {
        let info = ConnInfo::new(LABEL, Some(PEER));
        Ok(Connection::new(Plain(self.0), info))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let transport = Transport::builder().build()?;
    let (sender, receiver) = mpsc::channel(16);
    let dialer = Guard::new(PipeDialer(sender), transport.limiter());
    let mut listener = Guard::new(PipeListener(receiver), transport.limiter());

    let accepting = async {
        loop {
            // Admitted: caps, rates and address rules have been applied.
            let incoming = listener.accept().await;
            // Tracked, so that the shutdown waits for the task.
            let tasks = transport.limiter().tasks();
            tasks.spawn(TaskKind::Serve, async move {
                if let Ok(connection) = incoming.establish().await {
                    let _ = echo(connection.io).await;
                }
            });
        }
    };
    let client = async {
        let anywhere = Target::host("in-memory", 1)?;
        let (mut io, info) = dialer.dial(&anywhere).await?.into_parts();
        io.write_all(b"hello").await?;
        let mut answer = [0; 5];
        io.read_exact(&mut answer).await?;
        assert_eq!(&answer, b"hello");
        // Both ends are connections of the transport.
        assert_eq!(transport.connections().len(), 2);
        println!("connection {} of backend {}: echoed", info.id, info.backend);
        let report = transport.shutdown(Duration::from_secs(5)).await;
        println!("aborted {}", report.aborted);
        assert_eq!(report.aborted, 0);
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    tokio::select! {
        () = accepting => {}
        done = client => done?,
    }
    Ok(())
}
