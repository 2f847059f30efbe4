//! A reload applies whole or not at all.
//!
//! Some keys apply to open connections.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ron_transport::config::Settings;
use ron_transport::schema::Reload;
use ron_transport::{echo, Config, Conn, ReloadError, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use transport_testkit::Recorder;

fn config(settings: &[(&str, &str)]) -> Config {
    let mut loader = Config::loader().flag("transport.bind_addr", "127.0.0.1:0");
    for (key, value) in settings {
        loader = loader.flag(format!("transport.{key}"), *value);
    }
    loader.load().unwrap().into_settings()
}

async fn serving(settings: &[(&str, &str)]) -> (Arc<Transport>, SocketAddr, Recorder) {
    let recorder = Recorder::new();
    let builder = Transport::builder().config(config(settings));
    let transport = Arc::new(builder.observer(recorder.observer()).build().unwrap());
    let addr = transport.listen().await.unwrap().socket_addr().unwrap();
    let served = Arc::clone(&transport);
    tokio::spawn(async move {
        let handler = |conn: Conn| async move { drop(echo(conn).await) };
        served.serve(handler).await
    });
    (transport, addr, recorder)
}

async fn echoes(client: &mut TcpStream) -> bool {
    client.write_all(b"x").await.is_ok() && client.read_u8().await.is_ok_and(|byte| byte == b'x')
}

async fn connect(addr: SocketAddr) -> TcpStream {
    TcpStream::connect(addr).await.unwrap()
}

#[tokio::test]
async fn live_cap_keeps_open_connections() {
    let (transport, addr, recorder) = serving(&[]).await;
    let (mut first, mut second) = (connect(addr).await, connect(addr).await);
    assert!(echoes(&mut first).await && echoes(&mut second).await);
    let report = transport.reload(config(&[("max_conns", "1")])).unwrap();
    assert_eq!(report.applied, ["max_conns"]);
    assert!(echoes(&mut first).await && echoes(&mut second).await);
    assert!(!echoes(&mut connect(addr).await).await);
    transport.reload(config(&[("max_conns", "3")])).unwrap();
    assert!(echoes(&mut connect(addr).await).await);
    assert_eq!(recorder.snapshot().reloads, [true, true]);
    assert_eq!(transport.config().limits.max_conns(), 3);
}

#[tokio::test]
async fn rate_change_wakes_throttled_transfer() {
    let slow = [
        ("limits.chunk_bytes", "4KiB"),
        ("rates.per_conn_bytes_per_sec", "4KiB"),
    ];
    let (transport, addr, _) = serving(&slow).await;
    let mut client = connect(addr).await;
    client.write_all(&[7; 64 << 10]).await.unwrap();
    let mut back = vec![0; 64 << 10];
    let crawling = timeout(Duration::from_millis(300), client.read_exact(&mut back)).await;
    assert!(crawling.is_err(), "the transfer takes sixteen seconds");
    let fast = [
        ("limits.chunk_bytes", "4KiB"),
        ("rates.per_conn_bytes_per_sec", "0"),
    ];
    transport.reload(config(&fast)).unwrap();
    // An unknown part of the bytes is in the buffer, far from all of them.
    let rest = timeout(Duration::from_secs(2), async {
        while client.read(&mut back).await.unwrap() != 0 {
            if transport.connections()[0].bytes_out() == 64 << 10 {
                return;
            }
        }
    });
    rest.await.unwrap();
}

#[tokio::test]
async fn refused_reload_changes_nothing() {
    let (transport, addr, recorder) = serving(&[("max_conns", "7")]).await;
    let before = transport.config();
    let mut client = connect(addr).await;
    assert!(echoes(&mut client).await);
    for (settings, keys) in [
        (
            vec![("tcp.backlog", "9"), ("max_conns", "1")],
            "tcp.backlog",
        ),
        (
            vec![("bind_addr", ""), ("tcp.reuse_port", "on")],
            "bind_addr, tcp.reuse_port",
        ),
    ] {
        let error = transport.reload(config(&settings)).unwrap_err();
        assert_eq!(error.to_string(), format!("needs a restart: {keys}"));
    }
    let mut contradicting = Config::clone(&before);
    let mut rates = contradicting.limits.rates();
    rates.per_peer = 1;
    contradicting.limits.set_rates(rates).unwrap();
    let error = transport.reload(contradicting).unwrap_err();
    assert!(matches!(error, ReloadError::Invalid(_)), "{error:?}");
    transport.reload_rejected(&"a file that is gone");
    assert_eq!(recorder.snapshot().reloads, [false; 4]);
    assert_eq!(*transport.config(), *before);
    assert!(echoes(&mut client).await && echoes(&mut connect(addr).await).await);
}

#[tokio::test]
async fn reload_during_drain_refused() {
    let (transport, _, _) = serving(&[]).await;
    transport.shutdown(Duration::ZERO).await;
    let error = transport.reload(config(&[("max_conns", "1")])).unwrap_err();
    assert_eq!(error, ReloadError::Draining);
    assert_eq!(transport.config().limits.max_conns(), 1024);
}

/// A reload refuses or applies every key.
///
/// The key's class in the schema decides.
#[tokio::test]
async fn each_key_follows_its_reload_class() {
    // Keys that only change together with others; other tests cover them.
    const NOT_ALONE: &[&str] = &[
        "backend",
        "preset",
        "uds.path",
        "proxy.required",
        "arti.onion_service.enabled",
        "tls.client_auth",
        "tls.allow_sans",
        "tls.spki_pins",
        "tls.crl_path",
        "tls.cert_path",
        "tls.key_path",
        "tls_client.cert_path",
        "tls_client.key_path",
        "tls_client.trust_store",
        "tls_client.ca_bundle_path",
    ];
    let other = |path: &str, default: &str| match path {
        path if NOT_ALONE.contains(&path) => None,
        "tls.enabled" => Some("off"),
        "pq.mode" => Some("hybrid"),
        "tls_client.sni_override" | "tls_client.allow_sans" => Some("a.example"),
        "tls_client.spki_pins" => Some("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
        "bind_addr" => Some("127.0.0.2:0"),
        "overflow" => Some("evict"),
        "peers.allow" | "peers.deny" | "proxy.trusted" => Some("192.0.2.0/24"),
        "proxy.send" => Some("v2"),
        "dial.via" => Some("http://user:password@127.0.0.1:3128"),
        "dial_idle_timeout" => Some("7s"),
        "tcp.dscp" => Some("46"),
        "dial.source_addr" => Some("127.0.0.2"),
        "limits.max_frame_bytes" => Some("512KiB"),
        "limits.chunk_bytes" => Some("32KiB"),
        "limits.memory_bytes" => Some("64MiB"),
        "per_peer.ipv4_prefix" => Some("24"),
        "per_peer.ipv6_prefix" => Some("56"),
        _ if path.starts_with("rates.") && path.ends_with("bytes_per_sec") => Some("1MiB"),
        "arti.dial_while_bootstrapping" => Some("wait"),
        "arti.isolation" => Some("stream"),
        _ if path.ends_with("_path") || path.ends_with("_dir") => Some("/a/b"),
        _ if default == "true" => Some("off"),
        _ if default == "false" => Some("on"),
        _ if default.ends_with('s') || default == "off" => Some("7s"),
        _ => Some("77"),
    };
    for key in Config::all_keys() {
        let default = Config::default().value(key.path).unwrap();
        let Some(value) = other(key.path, &default) else {
            continue;
        };
        let (transport, ..) = serving(&[]).await;
        let result = transport.reload(config(&[(key.path, value)]));
        match key.reload {
            Reload::Restart => {
                let keys = vec![key.path];
                assert_eq!(result.unwrap_err(), ReloadError::NeedsRestart { keys });
            }
            Reload::Live | Reload::New => assert_eq!(result.unwrap().applied, [key.path]),
        }
    }
}

#[tokio::test]
async fn preset_change_needs_a_restart() {
    let (transport, ..) = serving(&[]).await;
    let error = transport.reload(config(&[("preset", "edge")])).unwrap_err();
    let keys = vec!["preset", "amnesia", "tcp.backlog"];
    assert_eq!(error, ReloadError::NeedsRestart { keys });
}
