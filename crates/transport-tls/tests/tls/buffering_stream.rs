//! TLS over a stream that buffers writes, like Tor.
//!
//! The stream buffers until a cell is full or until a flush. A handshake must not wait for bytes
//! that were written and not flushed.

use std::io;
use std::pin::Pin;
use std::task::{ready, Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::timeout;
use transport_core::{
    Backend, Connection, Dialer, Io, Listener, PeerAddr, Pending, TransportError,
};
use transport_testkit::{MemoryIo, MemoryListener, Recorder};
use transport_tls::raw::{TlsDialer, TlsListener};
use transport_tls::PqMode;

use crate::pki;
use crate::rig::{files, target};

/// Wraps the accepting end.
///
/// `.1` is the size of a cell in bytes.
struct Buffering<T>(T, usize);

struct Cells {
    io: MemoryIo,
    cell_bytes: usize,
    cell: Vec<u8>,
}

impl Cells {
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.cell.is_empty() {
            let sent = ready!(Pin::new(&mut self.io).poll_write(cx, &self.cell))?;
            self.cell.drain(..sent);
        }
        Poll::Ready(Ok(()))
    }
}

impl Io for Cells {
    fn abort(&mut self) {
        self.io.abort();
    }
}

impl AsyncRead for Cells {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Cells {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.cell.len() == self.cell_bytes {
            ready!(self.poll_send(cx))?;
        }
        let taken = buf.len().min(self.cell_bytes - self.cell.len());
        self.cell.extend_from_slice(&buf[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

impl Listener for Buffering<MemoryListener> {
    type Pending = Buffering<<MemoryListener as Listener>::Pending>;

    fn backend(&self) -> Backend {
        self.0.backend()
    }

    async fn accept(&mut self) -> Result<Self::Pending, TransportError> {
        Ok(Buffering(self.0.accept().await?, self.1))
    }
}

impl<P: Pending<Io = MemoryIo>> Pending for Buffering<P> {
    type Io = Cells;

    fn peer(&self) -> PeerAddr {
        self.0.peer()
    }

    async fn establish(self) -> Result<Connection<Cells>, TransportError> {
        let (io, info) = self.0.establish().await?.into_parts();
        let (cell_bytes, cell) = (self.1, Vec::new());
        let io = Cells {
            io,
            cell_bytes,
            cell,
        };
        Ok(Connection::new(io, info))
    }
}

#[tokio::test(start_paused = true)]
async fn buffering_stream_does_not_stall_handshake() {
    // A Tor cell carries at most 498 bytes; the last size takes a whole flight.
    for cell_bytes in [1, 7, 64, 498, 16 << 10] {
        let (files, _) = files();
        let server = pki::server(&files.server_config(), PqMode::Hybrid);
        let client = pki::client(&files.client_config(), PqMode::Hybrid);
        let (listener, dialer) = MemoryListener::bind(Backend::Tcp);
        let observer = Recorder::new().observer();
        let gathering = Buffering(listener, cell_bytes);
        let mut listener = TlsListener::over(gathering, &server, observer.clone());
        let dialer = TlsDialer::over(dialer, &client, observer);
        let target = target();
        for resumed in [false, true] {
            let accept = async { listener.accept().await?.establish().await };
            let shaken = async { tokio::join!(accept, dialer.dial(&target)) };
            let shaken = timeout(Duration::from_secs(10), shaken).await;
            let (server, client) = shaken.unwrap_or_else(|_| panic!("{cell_bytes} bytes: hangs"));
            let (server, mut client) = (server.unwrap(), client.unwrap());
            assert_eq!(server.info.resumed, resumed, "{cell_bytes} bytes");
            // The tickets arrive without further calls on the server.
            let quiet = timeout(Duration::from_millis(1), client.io.read(&mut [0; 1])).await;
            assert!(quiet.is_err());
        }
    }
}
