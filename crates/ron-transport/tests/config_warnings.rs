//! Warnings about settings, and settings that contradict sockets or each other.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use ron_transport::{Config, ErrorKind, Inherited, ReloadError, Transport};

fn config(text: &str) -> Config {
    let loader = Config::loader().toml_str(format!("[transport]\n{text}"), "a.toml");
    loader.load().unwrap().into_settings()
}

fn warnings(text: &str) -> Vec<String> {
    let loader = Config::loader().toml_str(format!("[transport]\n{text}"), "a.toml");
    loader.load().unwrap().warnings().to_vec()
}

#[test]
fn header_deadline_over_handshake_warns() {
    let text = "proxy.trusted = '10.0.0.0/8'\nproxy.header_timeout = '9s'\n";
    let warned = warnings(&format!("{text}handshake_timeout = '5s'"));
    assert_eq!(warned.len(), 1, "{warned:?}");
    let start = "proxy.header_timeout is 9s, longer than handshake_timeout (5s)";
    assert!(warned[0].starts_with(start), "{warned:?}");
    assert!(warnings(&format!("{text}handshake_timeout = '9s'")).is_empty());
    // Without a trusted hop, no header is awaited.
    let text = "proxy.header_timeout = '9s'\nhandshake_timeout = '5s'";
    assert!(warnings(text).is_empty());
}

#[test]
fn eviction_after_idle_timeout_warns() {
    let text = "overflow = 'evict'\nper_peer.max_conns = 5\nidle_timeout = '30s'\n";
    let warned = warnings(&format!("{text}evict_after = '30s'"));
    assert_eq!(warned.len(), 1, "{warned:?}");
    let start = "evict_after is 30s, not below idle_timeout (30s)";
    assert!(warned[0].starts_with(start), "{warned:?}");
    assert!(warnings(&format!("{text}evict_after = '29s'")).is_empty());
    let off = text.replace("'30s'", "'off'");
    assert!(warnings(&format!("{off}evict_after = '30s'")).is_empty());
}

#[tokio::test]
async fn invalid_target_is_a_config_error() {
    let transport = Transport::builder().build().unwrap();
    for to in ["example.org", "tcp://", "tcp://a b:1"] {
        let error = transport.dial(to).await.map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(
            error.to_string().contains("is not a valid target"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn reload_after_shutdown_is_refused() {
    let transport = Transport::builder().build().unwrap();
    transport.shutdown(Duration::ZERO).await;
    let error = transport.reload(config("max_conns = 7")).unwrap_err();
    assert_eq!(error, ReloadError::Draining);
    assert_eq!(error.to_string(), "the transport is shutting down");
    assert_ne!(transport.config().limits.max_conns(), 7);
}

/// Its address belongs to the process that bound it.
#[tokio::test]
async fn address_of_inherited_socket_is_fixed() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = socket.local_addr().unwrap();
    let transport = Transport::builder().build().unwrap();
    transport.listen_on(Inherited::Tcp(socket)).await.unwrap();
    let error = transport
        .reload(config("bind_addr = '127.0.0.1:0'"))
        .unwrap_err();
    let keys = vec!["bind_addr"];
    assert_eq!(error, ReloadError::NeedsRestart { keys });
    let addrs = transport.local_addrs();
    assert_eq!(addrs[0].socket_addr(), Some(addr));
}

#[cfg(all(feature = "tls", feature = "uds"))]
#[test]
fn unix_socket_with_tls_files_is_refused() {
    let builder = Transport::builder()
        .tls_files("/run/a.pem", "/run/a.key")
        .unix("/run/ron/sock");
    let error = builder.build().map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(
        error.to_string().contains("uds.path and backend tls"),
        "{error}"
    );
}

#[test]
fn builder_text_has_its_settings() {
    let addr = SocketAddr::from(([127, 0, 0, 1], 4711));
    let text = format!("{:?}", Transport::builder().bind_addr(addr));
    assert!(text.starts_with("TransportBuilder {"), "{text}");
    assert!(text.contains("127.0.0.1:4711"), "{text}");
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn client_tls_follows_a_reload() {
    use std::sync::Arc;

    use ron_transport::tls::PqMode;

    let files = transport_testkit::pki::PkiDir::new();
    let authority = transport_testkit::pki::Authority::new();
    let ca = files.write("ca.pem", &authority.pem());
    let trust = format!(
        "pq.mode = 'hybrid'\ntls_client.trust_store = 'path'\ntls_client.ca_bundle_path = '{}'\n",
        ca.display()
    );
    let builder = Transport::builder().config(config(&trust));
    let transport = builder.build().unwrap();
    let before = transport.client_tls().await.unwrap();
    assert_eq!(before.pq_mode(), PqMode::Hybrid);
    assert!(Arc::ptr_eq(&before, &transport.client_tls().await.unwrap()));
    transport
        .reload(config(&format!("{trust}tls_client.alpn = 'h2'")))
        .unwrap();
    assert!(!Arc::ptr_eq(
        &before,
        &transport.client_tls().await.unwrap()
    ));
}
