//! Post-quantum key exchange: compatible modes, and fragmented hellos.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::version::TLS13;
use transport_core::{Dialer, KeyExchange, Listener, Pending};
use transport_testkit::MemoryIo;
use transport_tls::PqMode;

use crate::pki::{self, SERVER};
use crate::rig::{failure, files, target, Rig};
use crate::versions::connector;

fn rig(server: PqMode, client: PqMode) -> Rig {
    let (files, _) = files();
    Rig::new(
        &pki::server(&files.server_config(), server),
        &pki::client(&files.client_config(), client),
    )
}

#[tokio::test]
async fn compatible_modes_connect() {
    use KeyExchange::{X25519MlKem768, X25519};
    use PqMode::{Hybrid, Off, Required};
    for (server, client, kx) in [
        (Off, Off, X25519),
        (Off, Hybrid, X25519),
        (Hybrid, Off, X25519),
        (Hybrid, Hybrid, X25519MlKem768),
        (Hybrid, Required, X25519MlKem768),
        (Required, Hybrid, X25519MlKem768),
        (Required, Required, X25519MlKem768),
    ] {
        let (ours, theirs) = rig(server, client).connect().await;
        assert_eq!(ours.info.kx, Some(kx), "{server:?} {client:?}");
        assert_eq!(theirs.info.kx, Some(kx), "{server:?} {client:?}");
    }
}

#[tokio::test]
async fn pq_server_refuses_classical_client() {
    let (server, client) = rig(PqMode::Required, PqMode::Off).handshake().await;
    assert_eq!(
        failure(server),
        "no key exchange in common: pq.mode is required here, and the peer does not support X25519MLKEM768"
    );
    assert_eq!(
        failure(client),
        "the peer sent alert handshake_failure: no acceptable set of parameters in common"
    );
}

#[tokio::test]
async fn classical_server_error_mentions_pq_mode() {
    let (server, client) = rig(PqMode::Off, PqMode::Required).handshake().await;
    assert_eq!(
        failure(server),
        "no key exchange group in common with the peer"
    );
    assert_eq!(
        failure(client),
        "the peer sent alert handshake_failure: no acceptable set of parameters in common (pq.mode is required \
         here: the peer may not support X25519MLKEM768)"
    );
}

/// Writes a fixed number of bytes at a time, and yields in between.
struct Pieces {
    io: MemoryIo,
    bytes: usize,
    paused: bool,
}

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Pieces {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.paused = !self.paused;
        if self.paused {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let bytes = self.bytes.min(buf.len());
        Pin::new(&mut self.io).poll_write(cx, &buf[..bytes])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// A hello with a post-quantum share exceeds 1200 bytes and takes several segments.
async fn in_pieces_of(bytes: usize) {
    let (files, authority) = files();
    let server = pki::server(&files.server_config(), PqMode::Hybrid);
    let client = pki::client(&files.client_config(), PqMode::Hybrid);
    let mut rig = Rig::new(&server, &client);
    let dial = async {
        let io = Pieces {
            io: rig.plain.dial(&target()).await.unwrap().io,
            bytes,
            paused: false,
        };
        let name = ServerName::try_from(SERVER).unwrap();
        let connector = connector(&authority, &[&TLS13]);
        connector.connect(name, io).await.unwrap()
    };
    let accept = async { rig.listener.accept().await?.establish().await };
    let (ours, _theirs) = tokio::join!(accept, dial);
    assert_eq!(ours.unwrap().info.kx, Some(KeyExchange::X25519MlKem768));
}

#[tokio::test]
async fn fragmented_hello() {
    for bytes in [1, 7, 100, 700] {
        in_pieces_of(bytes).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fragmented_hello_on_many_threads() {
    in_pieces_of(100).await;
}
