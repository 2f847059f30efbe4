//! Bytes around the border between plaintext and TLS.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use ron_transport::tls::rustls::{ClientConfig, ClientConnection, RootCertStore, Stream};
use ron_transport::{Conn, Reason, TlsUpgrade, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::spawn_blocking;

use crate::pki::MemoryPki;
use crate::rig::{client, Listening, Over};

pub(crate) fn session(pki: &MemoryPki) -> ClientConnection {
    let mut roots = RootCertStore::empty();
    roots.add(pki.root()).unwrap();
    let provider = ron_transport::tls::rustls::crypto::aws_lc_rs::default_provider();
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"starttls".to_vec()];
    ClientConnection::new(Arc::new(config), "server.example".try_into().unwrap()).unwrap()
}

pub(crate) fn connect(port: u16) -> TcpStream {
    let socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let limit = Some(Duration::from_secs(20));
    socket.set_read_timeout(limit).unwrap();
    socket
}

async fn echo_one(mut conn: Conn) -> Conn {
    if let Ok(byte) = conn.read_u8().await {
        conn.write_all(&[byte]).await.unwrap();
    }
    conn
}

/// CVE-2011-0411: a command in plaintext behind the request to upgrade.
#[tokio::test(flavor = "multi_thread")]
async fn injected_plaintext_breaks_the_handshake() {
    let pki = MemoryPki::new();
    let served = Listening::start(Over::Tcp, &pki, |_| async move {
        panic!("a connection with injected plaintext was upgraded")
    })
    .await;
    let port = served.port();
    let answer = spawn_blocking(move || {
        let mut socket = connect(port);
        let injected = b"STARTTLS\nRCPT TO:<victim@example.org>\n";
        socket.write_all(injected).unwrap();
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).map(|_| answer)
    });
    let error = served.ended().await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::Tls), "{error}");
    // The answer to the request, and an alert (RFC 8446 §6).
    let answer = answer.await.unwrap().unwrap();
    assert_eq!(&answer[..4], b"OK\n\x15");
    let is_over = |s: &transport_testkit::Snapshot| s.inflight() == 0;
    served.recorder.wait_for("the close", is_over).await;
    let taken = served.recorder.snapshot();
    assert_eq!((taken.rejected(Reason::Tls), taken.all_rejected()), (1, 1));
    assert_eq!(taken.all_closes(), 1);
}

/// Plaintext of a hostile server, behind its answer.
#[tokio::test(flavor = "multi_thread")]
async fn injected_answer_breaks_the_handshake() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let hostile = tokio::spawn(async move {
        let (mut peer, _) = listener.accept().await.unwrap();
        peer.write_all(b"OK\n250 injected\n").await.unwrap();
        let mut rest = Vec::new();
        let _ = peer.read_to_end(&mut rest).await;
    });
    let pki = MemoryPki::new();
    let client = client();
    let mut conn = client.dial(addr).await.unwrap();
    let mut answer = [0; 3];
    conn.read_exact(&mut answer).await.unwrap();
    let tls = TlsUpgrade::client(pki.client_tls("client.example"), "server.example");
    let error = conn.upgrade_tls(tls).await.unwrap_err();
    assert_eq!(error.kind(), "tls", "{error}");
    hostile.await.unwrap();
}

/// The hello comes in the segment of the request, unread.
#[tokio::test(flavor = "multi_thread")]
async fn hello_in_segment_of_request_works() {
    let pki = MemoryPki::new();
    let served = Listening::start(Over::Tcp, &pki, echo_one).await;
    let (port, mut session) = (served.port(), session(&pki));
    let peer = spawn_blocking(move || {
        let mut segment = b"STARTTLS\n".to_vec();
        session.write_tls(&mut segment).unwrap();
        let mut socket = connect(port);
        socket.write_all(&segment).unwrap();
        let mut answer = [0; 3];
        socket.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"OK\n");
        let mut stream = Stream::new(&mut session, &mut socket);
        stream.write_all(b"x").unwrap();
        let mut echoed = [0; 1];
        stream.read_exact(&mut echoed).unwrap();
        echoed
    });
    let conn = served.ended().await.unwrap();
    assert_eq!(conn.control().bytes_in(), 10);
    assert_eq!(&peer.await.unwrap(), b"x");
}

#[tokio::test(flavor = "multi_thread")]
async fn upgrade_of_tls_connection_unsupported() {
    let pki = MemoryPki::new();
    let transport = Transport::builder()
        .bind_addr("127.0.0.1:0".parse().unwrap())
        .server_tls(pki.server_tls("localhost"))
        .client_tls(pki.client_tls("client.example"))
        .observer(transport_testkit::Recorder::new().observer())
        .build()
        .unwrap();
    let transport = Arc::new(transport);
    let addr = transport.listen().await.unwrap().socket_addr().unwrap();
    tokio::spawn(
        Arc::clone(&transport).serve_owned(|conn: Conn| async { drop(echo_one(conn).await) }),
    );
    let to = format!("tls://localhost:{}", addr.port());
    let conn = transport.dial(to).await.unwrap();
    let again = TlsUpgrade::client(pki.client_tls("client.example"), "localhost");
    let error = conn.upgrade_tls(again).await.unwrap_err();
    assert_eq!(error.kind(), "unsupported");
    assert!(error.to_string().contains("over tls"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_server_name_refused() {
    let pki = MemoryPki::new();
    let served = Listening::start(Over::Tcp, &pki, echo_one).await;
    for (name, kind) in [("other.example", "tls"), ("not a name", "config")] {
        let client = client();
        let mut conn = client.dial(&served.to).await.unwrap();
        crate::ask_upgrade(&mut conn).await;
        let tls = TlsUpgrade::client(pki.client_tls("client.example"), name);
        let error = conn.upgrade_tls(tls).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        served.ended().await.unwrap_err();
    }
}
