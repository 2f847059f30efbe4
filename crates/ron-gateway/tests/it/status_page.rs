//! The status page and its requests.
//!
//! `cargo xtask page` tests it in a browser.

use std::io::Write;
use std::net::IpAddr;

use rustix::process::Signal;
use serde_json::Value;

use crate::common::{connect, connect_from, ended, read_all, Gateway};

fn json(gateway: &Gateway, path: &str) -> Value {
    let response = gateway.get(path);
    assert_eq!(response.status, 200, "{path}");
    assert!(response.head.contains("content-type: application/json"));
    serde_json::from_str(&response.body).unwrap()
}

fn setting(gateway: &Gateway, table: &str, key: &str) -> Value {
    let config = json(gateway, "/status/config.json");
    let entries = config[table].as_array().unwrap();
    let entry = entries.iter().find(|entry| entry["key"] == key);
    entry.unwrap_or_else(|| panic!("no {key}")).clone()
}

#[test]
fn page_is_one_document_without_external_fetch() {
    let gateway = Gateway::start(&[]);
    let page = gateway.get("/?from=a-bookmark");
    assert_eq!(page.status, 200);
    assert!(page.body.starts_with("<!doctype html>") && page.body.ends_with("</html>\n"));
    for header in [
        "content-type: text/html; charset=utf-8\r\n",
        "content-security-policy: default-src 'none'; connect-src 'self'; style-src 'sha256-",
        "; frame-ancestors 'none'\r\n",
        "x-content-type-options: nosniff\r\n",
        "referrer-policy: no-referrer\r\n",
        "cache-control: no-store",
    ] {
        assert!(page.head.contains(header), "{header}: {}", page.head);
    }
    assert!(!page.head.contains("unsafe"), "{}", page.head);
}

#[test]
fn browser_connections_are_closed() {
    let gateway = Gateway::start(&[]);
    for path in [
        "/",
        "/status",
        "/status/metrics.json",
        "/status/config.json",
    ] {
        let mut conn = connect(gateway.admin);
        write!(conn, "GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
        let answer = String::from_utf8(read_all(&mut conn)).unwrap();
        let (head, _) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("connection: close"), "{head}");
    }
}

#[test]
fn page_figures_match_the_metrics() {
    let gateway = Gateway::start(&["--transport.per-peer.max-conns", "2"]);
    let hot = IpAddr::from([127, 0, 0, 2]);
    let held = [
        connect(gateway.addr),
        connect_from(hot, gateway.addr),
        connect_from(hot, gateway.addr),
    ];
    gateway.wait_metric("conn_inflight{backend=\"tcp\"}", 3);
    assert!(ended(&mut connect_from(hot, gateway.addr)));
    gateway.wait_metric("rejected_total{reason=\"peer_limit\"}", 1);
    let figures = json(&gateway, "/status/metrics.json");
    assert_eq!(figures["accepted"], 3);
    assert_eq!(figures["peers_near_cap"], 1);
    assert!(figures["now"].as_f64().unwrap() >= figures["started"].as_f64().unwrap());
    let metrics = &figures["metrics"];
    assert_eq!(metrics["ron_gateway_peer_conns_limit"][0]["value"], 2);
    let rejected = metrics["rejected_total"].as_array().unwrap();
    let of =
        |reason: &str| rejected.iter().find(|s| s["reason"] == reason).unwrap()["value"].clone();
    assert_eq!((of("peer_limit"), of("tls")), (1.into(), 0.into()));
    let buckets = metrics["handshake_latency_seconds_bucket"]
        .as_array()
        .unwrap();
    let all = buckets
        .iter()
        .find(|s| s["backend"] == "tcp" && s["le"] == "+Inf");
    assert_eq!(all.unwrap()["value"], 3);
    // Counts only, without an address.
    let text = figures.to_string() + &gateway.get("/status/config.json").body;
    assert!(!text.contains("127.0.0.2"), "{text}");
    drop(held);
}

#[test]
fn page_shows_the_active_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("gateway.toml");
    let write = |text: &str| std::fs::write(&file, text).unwrap();
    write("[transport]\nmax_conns = 5\n");
    let gateway = Gateway::start(&["--config", file.to_str().unwrap()]);
    assert_eq!(setting(&gateway, "transport", "max_conns")["value"], "5");
    let source = setting(&gateway, "transport", "max_conns")["source"].clone();
    assert!(source.as_str().unwrap().starts_with("file "), "{source}");
    assert_eq!(setting(&gateway, "gateway", "mode")["source"], "default");
    assert!((gateway.metric("ron_gateway_conns_limit") - 5.0).abs() < f64::EPSILON);
    write("[transport]\nmax_conns = 6\n");
    gateway.signal(Signal::HUP);
    gateway.wait_metric("transport_reloads_total{result=\"ok\"}", 1);
    crate::common::wait_for("the new configuration", || {
        (setting(&gateway, "transport", "max_conns")["value"] == "6").then_some(())
    });
    assert!((gateway.metric("ron_gateway_conns_limit") - 6.0).abs() < f64::EPSILON);
    // A rejected configuration is not shown.
    write("[transport]\nmax_conns = 7\ntcp.backlog = 9\n");
    gateway.signal(Signal::HUP);
    gateway.wait_metric("transport_reloads_total{result=\"rejected\"}", 1);
    assert_eq!(setting(&gateway, "transport", "max_conns")["value"], "6");
    gateway.stop();
}

#[cfg(feature = "tls")]
#[test]
fn page_hides_private_key_path() {
    let pki = crate::common::Pki::new();
    pki.server("status");
    let args = pki.listen();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let gateway = Gateway::start(&args);
    assert_eq!(
        setting(&gateway, "transport", "tls.key_path")["value"],
        "<set>"
    );
    for path in [
        "/",
        "/metrics",
        "/status",
        "/status/metrics.json",
        "/status/config.json",
    ] {
        let body = gateway.get(path).body;
        assert!(!body.contains("key.pem"), "{path}: {body}");
    }
}
