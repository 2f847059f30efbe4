//! Requests and responses over each backend and protocol.

use crate::support::{get, get2, http2, Pki, Server, UnixDir, AMPLE};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use transport_core::Reason;

transport_testkit::both! {
    tcp_requests_on_one_connection
    http2_with_prior_knowledge
    pipelined_requests_answered_in_order
    tls_protocol_chosen_by_alpn
    mtls_identity_reaches_handler
    unix_socket_request
    handler_panic_resets_connection
    handler_panic_over_http2_ends_one_stream
}

async fn tcp_requests_on_one_connection() {
    let server = Server::start(&[]).await;
    let mut client = server.connect().await;
    let (_, first) = get(&mut client, "/conn").await;
    assert!(first.ends_with(" none"), "{first}");
    for _ in 0..20 {
        let (head, body) = get(&mut client, "/conn").await;
        assert!(head.starts_with("http/1.1 200"), "{head}");
        assert_eq!(body, first);
    }
    assert_eq!(server.recorder.accepts(), 1);
}

async fn http2_with_prior_knowledge() {
    let server = Server::start(&[]).await;
    let mut client = http2(server.connect().await).await;
    let first = get2(&mut client, "/conn").await.unwrap();
    assert_eq!(get2(&mut client, "/conn").await.unwrap(), first);
    assert_eq!(get2(&mut client, "/sleep/5").await.unwrap(), "slept 5");
}

async fn pipelined_requests_answered_in_order() {
    let server = Server::start(&[]).await;
    let mut client = server.connect().await;
    let requests = "GET /sleep/30 HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n";
    client.write_all(requests.as_bytes()).await.unwrap();
    let (_, first) = crate::support::response(&mut client).await;
    let (_, second) = crate::support::response(&mut client).await;
    assert_eq!([first.as_str(), &second], ["slept 30", "hello"]);
}

async fn tls_protocol_chosen_by_alpn() {
    let pki = Pki::new();
    let server = pki.server("off").await;
    let mut h1 = pki.dial(&server, "http/1.1", false).await;
    assert!(get(&mut h1, "/conn").await.1.ends_with(" http/1.1"));
    let mut h2 = http2(pki.dial(&server, "h2", false).await).await;
    assert!(get2(&mut h2, "/conn").await.unwrap().ends_with(" h2"));
    let mut without = pki.dial(&server, "", false).await;
    assert!(get(&mut without, "/conn").await.1.ends_with(" none"));
}

async fn mtls_identity_reaches_handler() {
    let pki = Pki::new();
    let server = pki.server("optional").await;
    let mut known = pki.dial(&server, "http/1.1", true).await;
    assert_eq!(get(&mut known, "/who").await.1, "client.example");
    let mut known = http2(pki.dial(&server, "h2", true).await).await;
    assert_eq!(get2(&mut known, "/who").await.unwrap(), "client.example");
    let mut unknown = pki.dial(&server, "http/1.1", false).await;
    assert_eq!(get(&mut unknown, "/who").await.1, "none");
}

async fn unix_socket_request() {
    let dir = UnixDir::new();
    let server = dir.server().await;
    let mut client = UnixStream::connect(dir.path()).await.unwrap();
    assert_eq!(get(&mut client, "/").await.1, "hello");
    drop(client);
    assert_eq!(server.transport.shutdown(AMPLE).await.aborted, 0);
}

async fn handler_panic_resets_connection() {
    let server = Server::start(&[]).await;
    let mut client = server.connect().await;
    let request = "GET /panic HTTP/1.1\r\nhost: localhost\r\n\r\n";
    client.write_all(request.as_bytes()).await.unwrap();
    let error = client.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(get(&mut server.connect().await, "/").await.1, "hello");
    assert_eq!(server.recorder.rejected(Reason::Timeout), 0);
}

async fn handler_panic_over_http2_ends_one_stream() {
    let server = Server::start(&[]).await;
    let mut client = http2(server.connect().await).await;
    let mut other = client.clone();
    let (panicked, slept) =
        tokio::join!(get2(&mut client, "/panic"), get2(&mut other, "/sleep/50"));
    assert!(panicked.is_err());
    assert_eq!(slept.unwrap(), "slept 50");
    assert_eq!(get2(&mut client, "/").await.unwrap(), "hello");
}
