//! TLS above the header, and Unix sockets below it.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use transport_core::{Dialer, NoObserver, PeerAddr, Target};
use transport_limits::{Guard, Limiter, Limits};
use transport_proxy::raw::{ProxyDialer, ProxyListener};
use transport_proxy::{encode, ProxyVersion, Reloadable};
use transport_tcp::raw::{TcpDialer, TcpListener};
use transport_tcp::TcpConfig;
use transport_testkit::pki::{Authority, PkiDir};
use transport_testkit::Recorder;
use transport_tls::raw::{TlsDialer, TlsListener};
use transport_tls::{ClientTls, PqMode, ServerTls, TlsClientConfig, TlsConfig, TrustStore};
use transport_uds::raw::UdsListener;
use transport_uds::UdsConfig;

use crate::rig::{header, line, trusting, LOOPBACK};

const SERVER: &str = "server.test";

fn tls(dir: &PkiDir) -> (Reloadable<ServerTls>, Reloadable<ClientTls>) {
    let mut server = TlsConfig::default();
    server.set_cert_path(Some(dir.path("server.pem")));
    server.set_key_path(Some(dir.path("server.key")));
    let mut client = TlsClientConfig::default();
    client.set_trust_store(TrustStore::Path);
    client.set_ca_bundle_path(Some(dir.path("ca.pem")));
    client.set_sni_override(Some(SERVER.to_owned())).unwrap();
    (
        Reloadable::new(ServerTls::load(&server, PqMode::Hybrid).unwrap()),
        Reloadable::new(ClientTls::load(&client, PqMode::Hybrid).unwrap()),
    )
}

/// Writes the header together with the first bytes above it.
mod one_write {
    use std::io;
    use std::pin::Pin;
    use std::task::{ready, Context, Poll};

    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
    use transport_core::{Backend, Connection, Dialer, Io, Target, TransportError};

    pub(super) struct OneWriteDialer<D>(pub(super) D, pub(super) Vec<u8>);

    pub(super) struct OneWrite<I> {
        io: I,
        held: Vec<u8>,
    }

    impl<D: Dialer> Dialer for OneWriteDialer<D> {
        type Io = OneWrite<D::Io>;

        fn backend(&self) -> Backend {
            self.0.backend()
        }

        async fn dial(&self, to: &Target) -> Result<Connection<Self::Io>, TransportError> {
            let held = self.1.clone();
            let dialed = self.0.dial(to).await?;
            Ok(dialed.map(|io| OneWrite { io, held }))
        }
    }

    impl<I: Io> Io for OneWrite<I> {
        fn abort(&mut self) {
            self.io.abort();
        }
    }

    impl<I: Io> AsyncRead for OneWrite<I> {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.io).poll_read(cx, buf)
        }
    }

    impl<I: Io> AsyncWrite for OneWrite<I> {
        fn poll_write(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            let this = self.get_mut();
            if this.held.is_empty() {
                return Pin::new(&mut this.io).poll_write(cx, buf);
            }
            let joined = [&this.held, buf].concat();
            let written = ready!(Pin::new(&mut this.io).poll_write(cx, &joined))?;
            assert_eq!(written, joined.len(), "a socket takes a hello at once");
            this.held.clear();
            Poll::Ready(Ok(buf.len()))
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.io).poll_flush(cx)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.io).poll_shutdown(cx)
        }
    }
}

/// Establishes TLS over a header from this dialer, and exchanges bytes.
async fn over_tls<D: Dialer>(raw: D) {
    let authority = Authority::new();
    let dir = PkiDir::new();
    dir.write("ca.pem", &authority.pem());
    dir.write_pair("server", &authority.leaf(&[SERVER]));
    let (server, client) = tls(&dir);
    let any = ([127, 0, 0, 1], 0).into();
    let tcp = TcpListener::bind(any, &TcpConfig::default()).await.unwrap();
    let target: Target = tcp.local_addr().unwrap().to_string().parse().unwrap();
    let recorder = Recorder::new();
    let config = Reloadable::new(trusting(&[LOOPBACK]));
    let raw_listener = ProxyListener::over(tcp, &config, recorder.observer());
    let raw_listener = TlsListener::over(raw_listener, &server, recorder.observer());
    let limiter = Limiter::new(&Limits::default(), recorder.observer()).unwrap();
    let mut guard = Guard::new(raw_listener, &limiter);
    let dialer = TlsDialer::over(raw, &client, Arc::new(NoObserver));
    let dialing = tokio::spawn(async move {
        let mut conn = dialer.dial(&target).await.unwrap();
        conn.io.write_all(b"question").await.unwrap();
        conn.io.shutdown().await.unwrap();
        let mut answer = Vec::new();
        conn.io.read_to_end(&mut answer).await.unwrap();
        answer
    });
    let mut conn = guard.accept().await.establish().await.unwrap();
    let expected = PeerAddr::Ip("192.0.2.1:5000".parse().unwrap());
    assert_eq!(conn.info.peer, Some(expected));
    assert!(conn.info.proxied.is_some() && conn.info.kx.is_some());
    assert_eq!(conn.info.server_name.as_deref(), Some(SERVER));
    assert!(conn.info.cipher.unwrap().starts_with("TLS_"));
    let mut question = Vec::new();
    conn.io.read_to_end(&mut question).await.unwrap();
    assert_eq!(question, b"question");
    conn.io.write_all(b"answer").await.unwrap();
    conn.io.shutdown().await.unwrap();
    assert_eq!(dialing.await.unwrap(), b"answer");
    assert_eq!(recorder.snapshot().all_rejected(), 0);
}

#[tokio::test]
async fn tls_after_header() {
    let header = header(ProxyVersion::V2, "192.0.2.1");
    over_tls(ProxyDialer::over(TcpDialer::default(), &header)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn header_and_hello_in_one_write() {
    for version in ProxyVersion::ALL {
        let held = encode(&header(version, "192.0.2.1"));
        over_tls(one_write::OneWriteDialer(TcpDialer::default(), held)).await;
    }
}

#[tokio::test]
async fn header_over_unix_socket() {
    let private = Permissions::from_mode(0o700);
    let dir = tempfile::Builder::new()
        .permissions(private)
        .tempdir()
        .unwrap();
    let mut config = UdsConfig::default();
    config.set_path(dir.path().join("s")).unwrap();
    let ours = rustix::process::geteuid().as_raw();
    config.set_allow_uids([ours]).unwrap();
    for (trusted, peer, data) in [
        (
            "unix",
            PeerAddr::Ip("192.0.2.1:5000".parse().unwrap()),
            b"data".to_vec(),
        ),
        (
            LOOPBACK,
            PeerAddr::Uid(ours),
            [line("192.0.2.1"), b"data".to_vec()].concat(),
        ),
    ] {
        let uds = UdsListener::bind(&config).await.unwrap();
        let live = Reloadable::new(trusting(&[trusted]));
        let raw = ProxyListener::over(uds, &live, Arc::new(NoObserver));
        let limiter = Limiter::new(&Limits::default(), Arc::new(NoObserver)).unwrap();
        let mut guard = Guard::new(raw, &limiter);
        let path = config.path().unwrap();
        let mut hop = tokio::net::UnixStream::connect(path).await.unwrap();
        hop.write_all(&line("192.0.2.1")).await.unwrap();
        hop.write_all(b"data").await.unwrap();
        hop.shutdown().await.unwrap();
        let mut conn = guard.accept().await.establish().await.unwrap();
        assert_eq!(conn.info.peer, Some(peer));
        let mut received = Vec::new();
        conn.io.read_to_end(&mut received).await.unwrap();
        assert_eq!(received, data);
    }
}
