//! Upgrades to TLS (STARTTLS), with own and foreign peers.
#![cfg(all(feature = "tls", feature = "uds"))]
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]

mod ends;
mod foreign;
#[path = "../memory_tls/pki.rs"]
mod pki;
mod postgres;
mod rig;
mod security;

use ron_transport::{CloseReason, PeerIdentity, TlsUpgrade};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use pki::MemoryPki;
use rig::{ask_upgrade, client, Listening, Over};

async fn upgrades_both_sides(over: Over) {
    let pki = MemoryPki::new();
    let served = Listening::start(over, &pki, |mut conn| async move {
        let mut byte = [0; 1];
        while conn.read_exact(&mut byte).await.is_ok() {
            conn.write_all(&byte).await.unwrap();
        }
        conn.shutdown().await.unwrap();
        conn
    })
    .await;
    let client = client();
    let mut conn = client.dial(&served.to).await.unwrap();
    let (before, id) = (conn.info().clone(), conn.control().id());
    ask_upgrade(&mut conn).await;
    let tls = TlsUpgrade::client(pki.client_tls("client.example"), "server.example");
    let mut conn = conn.upgrade_tls(tls).await.unwrap();
    conn.write_all(b"abc").await.unwrap();
    let mut answer = [0; 3];
    conn.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"abc");

    let info = conn.info();
    assert_eq!((info.id, info.backend), (id, before.backend));
    assert_eq!((info.peer, info.local), (before.peer, before.local));
    assert!(info.kx.is_some() && info.steps.handshake().is_some());
    assert_eq!(info.alpn.as_deref(), Some(&b"starttls"[..]));
    let PeerIdentity::Verified(server) = &info.identity else {
        panic!("{:?}", info.identity);
    };
    assert_eq!(server.sans, ["server.example"]);
    assert_eq!(conn.control().info().alpn, info.alpn);
    // "STARTTLS\n" and "abc", "OK\n" and "abc": the handshake is not counted.
    let control = conn.control().clone();
    assert_eq!((control.bytes_out(), control.bytes_in()), (12, 6));
    conn.shutdown().await.unwrap();
    assert_eq!(conn.read(&mut [0; 1]).await.unwrap(), 0);
    drop(conn);

    let accepted = served.ended().await.unwrap();
    let PeerIdentity::Verified(named) = &accepted.info().identity else {
        panic!("{:?}", accepted.info().identity);
    };
    assert_eq!(named.sans, ["client.example"]);
    drop(accepted);
    let is_closed = |s: &transport_testkit::Snapshot| s.inflight() == 0;
    served.recorder.wait_for("the close", is_closed).await;
    let taken = served.recorder.snapshot();
    assert_eq!((taken.closes(CloseReason::Eof), taken.all_closes()), (1, 1));
    assert_eq!(taken.all_rejected(), 0);
    assert!(taken.tls_handshakes.iter().all(|handshake| handshake.ok));
    assert_eq!(taken.tls_handshakes.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn tcp_connection_upgraded_on_both_sides() {
    upgrades_both_sides(Over::Tcp).await;
}

#[tokio::test]
async fn unix_connection_upgraded_on_both_sides() {
    upgrades_both_sides(Over::Unix).await;
}
