//! Raw listener and dialers: states, announced addresses, broken proxies.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use transport_core::{
    Backend, ConnInfo, Dialer, ErrorKind, Listener, NoObserver, PeerAddr, Pending, ProxyVersion,
    TransportError, ViaErrorKind,
};
use transport_proxy::raw::{ProxyDialer, ProxyListener, ProxyPending, ViaDialer};
use transport_proxy::{announce, ProxiedAddrs, ProxyConfig, ProxySend, Reloadable, ViaProxy};
use transport_tcp::raw::{TcpDialer, TcpListener, TcpPending};
use transport_tcp::TcpConfig;

use crate::rig::{header, line, trusting, LOOPBACK};

fn any() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// Accepts a hop that has written these bytes.
async fn pending(bytes: &[u8]) -> (ProxyPending<TcpPending>, TcpStream) {
    let raw = TcpListener::bind(any(), &TcpConfig::default()).await;
    let raw = raw.unwrap();
    let addr = raw.local_addr().unwrap();
    let config = Reloadable::new(trusting(&[LOOPBACK]));
    let mut listener = ProxyListener::over(raw, &config, Arc::new(NoObserver));
    let text = format!("{listener:?}");
    assert!(text.starts_with("ProxyListener {"), "{text}");
    assert_eq!(listener.get_ref().local_addr().unwrap(), addr);
    let mut hop = TcpStream::connect(addr).await.unwrap();
    hop.write_all(bytes).await.unwrap();
    (listener.accept().await.unwrap(), hop)
}

#[tokio::test]
async fn identified_connection_keeps_its_peer() {
    let (mut pending, hop) = pending(&line("192.0.2.1")).await;
    let peer = PeerAddr::Ip(hop.local_addr().unwrap());
    assert_eq!(pending.peer(), peer);
    assert!(format!("{pending:?}").starts_with("ProxyPending { peer: "));
    assert!(pending.hop_timeout().is_some());
    pending.identify().await.unwrap();
    let announced = PeerAddr::Ip("192.0.2.1:5000".parse().unwrap());
    assert_eq!((pending.peer(), pending.hop_timeout()), (announced, None));
    // A second call reads nothing.
    pending.identify().await.unwrap();
    let conn = pending.establish().await.unwrap();
    assert_eq!(conn.info.peer, Some(announced));
}

/// The header of a health check announces no peer.
#[tokio::test]
async fn local_connection_identified_once() {
    let (mut pending, hop) = pending(b"PROXY UNKNOWN\r\n").await;
    let peer = PeerAddr::Ip(hop.local_addr().unwrap());
    for _ in 0..2 {
        pending.identify().await.unwrap();
        assert_eq!(pending.peer(), peer);
        assert!(pending.hop_timeout().is_some(), "the peer is still a hop");
    }
    assert_eq!(pending.establish().await.unwrap().info.peer, Some(peer));
}

#[tokio::test]
async fn invalid_header_cannot_be_established() {
    let (mut pending, _hop) = pending(b"GET / HTTP/1.1\r\n\r\n").await;
    let error = pending.identify().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Proxy, "{error}");
    let error = pending.establish().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::State);
    let text = "the PROXY header of this connection was invalid: it cannot be established";
    assert!(error.to_string().contains(text), "{error}");
}

/// The client has no local address.
#[test]
fn unknown_destination_is_unspecified() {
    for (peer, destination) in [
        ("192.0.2.1:5", "0.0.0.0:0"),
        ("[2001:db8::1]:5", "[::]:0"),
        ("[::ffff:192.0.2.1]:5", "0.0.0.0:0"),
    ] {
        let source = peer.parse().unwrap();
        let client = ConnInfo::new(Backend::Tcp, Some(PeerAddr::Ip(source)));
        let destination = destination.parse().unwrap();
        let expected = ProxiedAddrs::Ip {
            source,
            destination,
        };
        for version in ProxyVersion::ALL {
            assert_eq!(announce(&client, version, None).addrs, expected);
        }
    }
    let process = ConnInfo::new(Backend::Uds, Some(PeerAddr::Uid(7)));
    let addrs = announce(&process, ProxyVersion::V2, None).addrs;
    assert_eq!(addrs, ProxiedAddrs::Unknown);
}

#[test]
fn version_of_each_setting() {
    let versions = [ProxySend::Off, ProxySend::V1, ProxySend::V2].map(ProxySend::version);
    let expected = [None, Some(ProxyVersion::V1), Some(ProxyVersion::V2)];
    assert_eq!(versions, expected);
    let proxy: ViaProxy = "socks5://proxy.internal:1080".parse().unwrap();
    let mut config = ProxyConfig::default();
    assert_eq!(config.via(), None);
    config.set_via(Some(proxy.clone()));
    assert_eq!(config.via(), Some(&proxy));
    assert_eq!(config.set_via(None).via(), None);
}

#[test]
fn dialers_name_the_backend_below() {
    let proxy: ViaProxy = "http://127.0.0.1:3128".parse().unwrap();
    let via = ViaDialer::over(TcpDialer::default(), &proxy);
    let announcing = ProxyDialer::over(via, &header(ProxyVersion::V1, "192.0.2.1"));
    assert_eq!(announcing.backend(), Backend::Tcp);
    assert_eq!(announcing.get_ref().backend(), Backend::Tcp);
    assert_eq!(announcing.get_ref().get_ref().backend(), Backend::Tcp);
}

#[tokio::test]
async fn reset_inside_proxy_reply_is_named() {
    let server = tokio::net::TcpListener::bind(any()).await.unwrap();
    let to = server.local_addr().unwrap();
    for (scheme, part) in [("http", "HTTP/1.1 2"), ("socks5", "\u{5}")] {
        let proxy: ViaProxy = format!("{scheme}://{to}").parse().unwrap();
        let dialer = ViaDialer::over(TcpDialer::default(), &proxy);
        let target = "db.internal:5432".parse().unwrap();
        let (dialed, ()) = tokio::join!(dialer.dial(&target), async {
            let (mut stream, _) = server.accept().await.unwrap();
            let mut request = [0; 1];
            stream.read_exact(&mut request).await.unwrap();
            stream.write_all(part.as_bytes()).await.unwrap();
            // The close resets the connection, because bytes of the request are unread.
        });
        let error = dialed.map(drop).unwrap_err();
        let TransportError::Via { kind, .. } = &error else {
            panic!("{error:?}");
        };
        assert_eq!(*kind, ViaErrorKind::Ended);
        let text = "the connection to the proxy failed inside its reply: ";
        assert!(error.to_string().contains(text), "{error}");
        let cause = std::error::Error::source(&error).unwrap();
        assert!(cause.to_string().contains("reset"), "{cause}");
    }
}
