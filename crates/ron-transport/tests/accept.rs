//! Accept loops of the embedder over each backend, under both runtimes.
#![cfg(all(feature = "tls", feature = "uds"))]
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]

#[path = "common/accept_all.rs"]
mod accept_all;

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use accept_all::accept_all;
use ron_transport::tls::TrustStore;
use ron_transport::{
    Backend, CloseReason, Config, Conn, Decision, PeerAddr, ReadyReason, ReadyState, Reason,
    Transport, TransportBuilder,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use transport_testkit::pki::{Authority, PkiDir};
use transport_testkit::Recorder;

/// A deadline that no test should reach.
const AMPLE: Duration = Duration::from_secs(5);

transport_testkit::both! {
    each_backend_accepted_by_own_loop
    dropped_incoming_refuses_the_peer
    hook_refuses_before_any_byte
    overloaded_transport_refuses_newcomers
}

async fn echoed(conn: &mut Conn) {
    conn.write_all(b"x").await.unwrap();
    conn.flush().await.unwrap();
    let answer = timeout(AMPLE, conn.read_u8()).await.unwrap();
    assert_eq!(answer.unwrap(), b'x');
}

fn any() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn own_uid() -> u32 {
    rustix::process::getuid().as_raw()
}

/// The builders of all three backends; their clients trust the authority.
fn builders(files: &PkiDir) -> Vec<(Backend, TransportBuilder)> {
    let authority = Authority::new();
    let ca = files.write("ca.pem", &authority.pem());
    files.write_pair("localhost", &authority.leaf(&["localhost"]));
    let dir = files.path("run");
    std::fs::create_dir(&dir).unwrap();
    std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o700)).unwrap();
    let mut trust = Config::default();
    trust.tls_client.set_trust_store(TrustStore::Path);
    trust.tls_client.set_ca_bundle_path(Some(ca));
    let tcp = Transport::builder().bind_addr(any());
    let tls = Transport::builder()
        .config(trust)
        .bind_addr(any())
        .tls_files(files.path("localhost.pem"), files.path("localhost.key"));
    let uds = Transport::builder()
        .unix(dir.join("sock"))
        .allow_uids([own_uid()]);
    vec![
        (Backend::Tcp, tcp),
        (Backend::Tls, tls),
        (Backend::Uds, uds),
    ]
}

async fn each_backend_accepted_by_own_loop() {
    let files = PkiDir::new();
    for (backend, builder) in builders(&files) {
        let recorder = Recorder::new();
        let transport = Arc::new(builder.observer(recorder.observer()).build().unwrap());
        let addr = transport.listen().await.unwrap();
        let accepting = accept_all(&transport);
        let to = match backend {
            Backend::Tls => format!("tls://localhost:{}", addr.socket_addr().unwrap().port()),
            Backend::Uds => format!("unix://{addr}"),
            _ => format!("tcp://{addr}"),
        };
        let mut conn = transport.dial(to.as_str()).await.unwrap();
        assert_eq!(conn.info().backend, backend);
        echoed(&mut conn).await;
        let local = conn.info().local;
        drop(conn);
        recorder
            .wait_for("both ends closed", |s| s.closes(CloseReason::Eof) == 2)
            .await;
        assert_eq!(transport.shutdown(AMPLE).await.aborted, 0);
        let peers = timeout(AMPLE, accepting).await.unwrap().unwrap();
        let expected = match local {
            Some(local) => PeerAddr::Ip(local),
            None => PeerAddr::Uid(own_uid()),
        };
        assert_eq!(peers, [expected], "{backend}");
        assert!(transport.accept().await.unwrap().is_none());
    }
}

async fn dropped_incoming_refuses_the_peer() {
    let files = PkiDir::new();
    for (backend, builder) in builders(&files).into_iter().take(2) {
        let transport = builder.build().unwrap();
        let addr = transport.listen().await.unwrap().socket_addr().unwrap();
        let mut client = TcpStream::connect(addr).await.unwrap();
        let incoming = transport.accept().await.unwrap().unwrap();
        assert_eq!(incoming.peer(), PeerAddr::Ip(client.local_addr().unwrap()));
        assert_eq!(transport.limiter().admitted(), 1, "{backend}");
        drop(incoming);
        assert_eq!(transport.limiter().admitted(), 0, "{backend}");
        let read = timeout(AMPLE, client.read(&mut [0])).await.unwrap();
        assert!(!matches!(read, Ok(1..)), "{backend}");
    }
}

async fn hook_refuses_before_any_byte() {
    let (recorder, refused) = (Recorder::new(), "127.0.0.2");
    let builder = Transport::builder().bind_addr(any());
    let builder = builder.admit(move |peer| match peer.ip() {
        Some(ip) if ip.to_string() == refused => Decision::Refuse,
        _ => Decision::Allow,
    });
    let transport = Arc::new(builder.observer(recorder.observer()).build().unwrap());
    let addr = transport.listen().await.unwrap().socket_addr().unwrap();
    let _accepting = accept_all(&transport);
    for source in [refused, "127.0.0.3"] {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(format!("{source}:0").parse().unwrap()).unwrap();
        let mut client = socket.connect(addr).await.unwrap();
        // The refused peer may be reset at once.
        let sent = client.write_all(b"x").await;
        let answer = timeout(AMPLE, client.read_u8()).await.unwrap();
        assert_eq!(answer.is_ok(), source != refused, "{source}: {sent:?}");
    }
    assert_eq!(recorder.rejected(Reason::Denied), 1);
    assert_eq!(recorder.snapshot().all_rejected(), 1);
}

async fn overloaded_transport_refuses_newcomers() {
    let recorder = Recorder::new();
    let builder = Transport::builder().bind_addr(any());
    let transport = Arc::new(builder.observer(recorder.observer()).build().unwrap());
    let addr = transport.listen().await.unwrap();
    let _accepting = accept_all(&transport);
    let to = format!("tcp://{addr}");
    let mut open = transport.dial(to.as_str()).await.unwrap();
    echoed(&mut open).await;
    transport.set_overloaded(true);
    let reason = ReadyReason::Overload;
    assert_eq!(
        *transport.readiness().borrow(),
        ReadyState::Degraded { reason }
    );
    let mut refused = TcpStream::connect(addr.socket_addr().unwrap())
        .await
        .unwrap();
    let read = timeout(AMPLE, refused.read(&mut [0])).await.unwrap();
    assert!(!matches!(read, Ok(1..)));
    assert_eq!(recorder.rejected(Reason::Overload), 1);
    echoed(&mut open).await;
    transport.set_overloaded(false);
    assert_eq!(*transport.readiness().borrow(), ReadyState::Ready);
    let mut later = transport.dial(to.as_str()).await.unwrap();
    echoed(&mut later).await;
    assert_eq!(recorder.rejected(Reason::Overload), 1);
}
