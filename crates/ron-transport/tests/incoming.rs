//! Established connections as a stream, under both runtimes.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ron_transport::{echo, ErrorKind, Incoming, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A deadline that no test should reach.
const AMPLE: Duration = Duration::from_secs(5);

transport_testkit::both! {
    stream_yields_connections
    stream_ends_at_stop_accepting
    dropped_stream_closes_listener
    shutdown_bounded_beside_unpolled_stream
    waiting_connection_closed_with_stream
    second_stream_is_refused
    spawned_serve_drains
}

fn unbound() -> Arc<Transport> {
    let addr = SocketAddr::from(([127, 0, 0, 1], 0));
    Arc::new(Transport::builder().bind_addr(addr).build().unwrap())
}

async fn listening() -> (Arc<Transport>, SocketAddr, Incoming) {
    let transport = unbound();
    let addr = transport.listen().await.unwrap().socket_addr().unwrap();
    let incoming = transport.incoming().unwrap();
    (transport, addr, incoming)
}

async fn echoed(client: &mut TcpStream) {
    client.write_all(b"x").await.unwrap();
    assert_eq!(client.read_u8().await.unwrap(), b'x');
}

async fn stream_yields_connections() {
    let (transport, addr, mut incoming) = listening().await;
    let accepting = tokio::spawn(async move {
        let mut ids = Vec::new();
        while let Some(conn) = incoming.next().await {
            ids.push(conn.control().id());
            tokio::spawn(echo(conn));
        }
        ids
    });
    let mut clients = Vec::new();
    for _ in 0..20 {
        let mut client = TcpStream::connect(addr).await.unwrap();
        echoed(&mut client).await;
        clients.push(client);
    }
    drop(clients);
    let report = transport.shutdown(AMPLE).await;
    assert_eq!(report.aborted, 0);
    let mut ids = timeout(AMPLE, accepting).await.unwrap().unwrap();
    ids.dedup();
    assert_eq!(ids.len(), 20);
    assert!(TcpStream::connect(addr).await.is_err());
}

async fn stream_ends_at_stop_accepting() {
    let (transport, addr, mut incoming) = listening().await;
    let mut client = TcpStream::connect(addr).await.unwrap();
    let conn = timeout(AMPLE, incoming.next()).await.unwrap().unwrap();
    tokio::spawn(echo(conn));
    let (_, next) = tokio::join!(transport.stop_accepting(), incoming.next());
    assert!(next.is_none());
    echoed(&mut client).await;
}

async fn dropped_stream_closes_listener() {
    let (transport, addr, mut incoming) = listening().await;
    let mut client = TcpStream::connect(addr).await.unwrap();
    let conn = timeout(AMPLE, incoming.next()).await.unwrap().unwrap();
    tokio::spawn(echo(conn));
    drop(incoming);
    assert!(TcpStream::connect(addr).await.is_err());
    echoed(&mut client).await;
    drop(client);
    assert_eq!(transport.shutdown(AMPLE).await.aborted, 0);
}

async fn waiting_connection_closed_with_stream() {
    let (transport, addr, mut incoming) = listening().await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(TcpStream::connect(addr).await.unwrap());
    }
    let taken = timeout(AMPLE, incoming.next()).await.unwrap().unwrap();
    drop(incoming);
    let mut closed = 0;
    for client in &mut clients {
        let read = timeout(Duration::from_millis(300), client.read(&mut [0])).await;
        closed += usize::from(read.is_ok());
    }
    assert_eq!(closed, 2, "all but the taken connection are closed");
    drop(taken);
    assert_eq!(transport.shutdown(AMPLE).await.aborted, 0);
}

async fn second_stream_is_refused() {
    let transport = unbound();
    let error = transport.incoming().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::State);
    transport.listen().await.unwrap();
    let first = transport.incoming().unwrap();
    let error = transport.incoming().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::State);
    drop(first);
    let mut closed = transport.incoming().unwrap();
    assert!(closed.next().await.is_none());
}

async fn spawned_serve_drains() {
    let transport = unbound();
    let addr = transport.listen().await.unwrap().socket_addr().unwrap();
    let serving = tokio::spawn(Arc::clone(&transport).serve_owned(echo));
    let mut client = TcpStream::connect(addr).await.unwrap();
    echoed(&mut client).await;
    drop(client);
    assert_eq!(transport.shutdown(AMPLE).await.aborted, 0);
    timeout(AMPLE, serving).await.unwrap().unwrap().unwrap();
}

async fn shutdown_bounded_beside_unpolled_stream() {
    let (transport, _addr, incoming) = listening().await;
    let shutdown = transport.shutdown(Duration::from_millis(100));
    let report = timeout(AMPLE, shutdown).await.unwrap();
    assert_eq!(report.aborted, 0);
    drop(incoming);
}
