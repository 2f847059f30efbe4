//! Clients of hyper-util over guarded connections.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::TokioExecutor;
use ron_transport::{Endpoint, Transport};
use tower_service::Service;
use transport_core::Reason;
use transport_http::Connector;

use crate::support::{Pki, Server, UnixDir};

transport_testkit::both! {
    tcp_connection_is_reused
    tls_client_uses_negotiated_protocol
    unix_socket_for_every_uri
    errors_name_uri_and_reason
}

type HttpClient = Client<Connector, Full<Bytes>>;

fn client(connector: Connector) -> HttpClient {
    Client::builder(TokioExecutor::new()).build(connector)
}

async fn get(client: &HttpClient, uri: &str) -> Result<String, Error> {
    let response = client.get(uri.parse().unwrap()).await?;
    let body = response.into_body().collect().await.unwrap();
    Ok(String::from_utf8(body.to_bytes().to_vec()).unwrap())
}

async fn tcp_connection_is_reused() {
    let server = Server::start(&[]).await;
    let transport = Transport::builder().build().unwrap();
    let client = client(Connector::new(transport.dialer()));
    let uri = format!("http://{}/conn", server.addr());
    for _ in 0..10 {
        assert!(get(&client, &uri).await.unwrap().ends_with(" none"));
    }
    // The pool opens another connection if the first is not back yet.
    assert!(
        server.recorder.accepts() <= 3,
        "{}",
        server.recorder.accepts()
    );
    assert!(transport.connections().len() <= 3);
}

async fn tls_client_uses_negotiated_protocol() {
    let pki = Pki::new();
    let server = pki.server("optional").await;
    let uri = |path: &str| format!("https://localhost:{}{path}", server.addr().port());
    for (alpn, negotiated) in [
        ("h2,http/1.1", " h2"),
        ("http/1.1", " http/1.1"),
        ("", " none"),
    ] {
        let transport = pki.client(alpn, true);
        let client = client(Connector::new(transport.dialer()));
        let first = get(&client, &uri("/conn")).await.unwrap();
        assert!(first.ends_with(negotiated), "{first}");
        assert_eq!(get(&client, &uri("/who")).await.unwrap(), "client.example");
    }
    assert_eq!(server.recorder.rejected(Reason::Tls), 0);
}

async fn unix_socket_for_every_uri() {
    let dir = UnixDir::new();
    let _server = dir.server().await;
    let transport = Transport::builder().build().unwrap();
    let connector = Connector::new(transport.dialer()).to(Endpoint::unix(dir.path()));
    let client = client(connector);
    assert_eq!(get(&client, "http://any/").await.unwrap(), "hello");
    assert_eq!(get(&client, "http://any/sleep/1").await.unwrap(), "slept 1");
}

async fn errors_name_uri_and_reason() {
    let transport = Transport::builder().build().unwrap();
    let mut connector = Connector::new(transport.dialer());
    for (uri, expected) in [
        (
            "ftp://example.com/",
            "cannot dial \"ftp://example.com/\": the scheme must be http or https",
        ),
        (
            "/only/a/path",
            "cannot dial \"/only/a/path\": the scheme must be http or https",
        ),
    ] {
        let error = connector.call(uri.parse().unwrap()).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = closed.local_addr().unwrap();
    drop(closed);
    let refused = get(&client(connector), &format!("http://{addr}/")).await;
    let error = refused.unwrap_err();
    assert!(error.is_connect(), "{error:?}");
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("refused"), "{source}");
}
