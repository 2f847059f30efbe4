//! Connections outside of their HTTP library.

use axum::serve::Listener;
use ron_transport::config::COMPILED_BACKENDS;
use ron_transport::{Backend, ErrorKind, PeerAddr, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower_service::Service;
use transport_core::CloseReason;
use transport_http::Connector;

use crate::support::{addr, listening, AMPLE};

transport_testkit::both! {
    axum_listener_yields_peer_and_address
    details_cancel_the_connection
    dialed_connection_taken_from_the_client
    build_without_tor_refuses_its_route
}

async fn axum_listener_yields_peer_and_address() {
    let (transport, _) = listening(&[]).await;
    let mut listener = transport_http::axum::listener(&transport).unwrap();
    let local = PeerAddr::Ip(addr(&transport));
    assert_eq!(listener.local_addr().unwrap(), Some(local));
    let mut client = TcpStream::connect(addr(&transport)).await.unwrap();
    let accepted = timeout(AMPLE, Listener::accept(&mut listener)).await;
    let (mut conn, peer) = accepted.unwrap();
    assert_eq!(peer, Some(PeerAddr::Ip(client.local_addr().unwrap())));
    client.write_all(b"question").await.unwrap();
    let mut question = [0; 8];
    conn.read_exact(&mut question).await.unwrap();
    conn.write_all(b"answer").await.unwrap();
    conn.shutdown().await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert_eq!((&question, answer.as_str()), (b"question", "answer"));
}

async fn details_cancel_the_connection() {
    let (transport, recorder) = listening(&[]).await;
    let mut listener = transport_http::axum::listener(&transport).unwrap();
    let mut client = TcpStream::connect(addr(&transport)).await.unwrap();
    let accepted = timeout(AMPLE, Listener::accept(&mut listener)).await;
    let (mut conn, _) = accepted.unwrap();
    let details = conn.details();
    assert_eq!(details.control().id(), details.id);
    details.control().cancel();
    assert!(timeout(AMPLE, conn.read_u8()).await.unwrap().is_err());
    drop(conn);
    let read = timeout(AMPLE, client.read_u8()).await.unwrap();
    let kind = read.unwrap_err().kind();
    assert_eq!(kind, std::io::ErrorKind::ConnectionReset);
    assert_eq!(recorder.closes(CloseReason::Cancelled), 1);
}

async fn dialed_connection_taken_from_the_client() {
    let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = server.local_addr().unwrap();
    let transport = Transport::builder().build().unwrap();
    let mut connector = Connector::new(transport.dialer());
    let uri = format!("http://{to}/any").parse().unwrap();
    let (stream, accepted) = tokio::join!(connector.call(uri), server.accept());
    let (mut conn, mut accepted) = (stream.unwrap().into_conn(), accepted.unwrap().0);
    assert_eq!(conn.info().peer, Some(PeerAddr::Ip(to)));
    conn.write_all(b"x").await.unwrap();
    assert_eq!(accepted.read_u8().await.unwrap(), b'x');
}

async fn build_without_tor_refuses_its_route() {
    if COMPILED_BACKENDS.contains(&Backend::Arti) {
        // The dial would connect to the Tor network.
        return;
    }
    let transport = Transport::builder().build().unwrap();
    let mut connector = Connector::new(transport.dialer()).over_tor();
    for uri in ["http://example.com/", "https://example.com/"] {
        let error = connector.call(uri.parse().unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.to_string().contains("arti"), "{error}");
    }
}
