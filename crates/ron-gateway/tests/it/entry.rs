//! Admission: rules for addresses, eviction, and memory pressure.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use rustix::process::Signal;

use crate::common::{connect, connect_from, echoes, ended, refuses, run, Gateway, Start};

const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

#[test]
fn denied_addresses_follow_a_reload() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("gateway.toml");
    let config = file.to_str().unwrap();
    fs::write(
        &file,
        "[transport.peers]\ndeny = ['127.0.0.2', '10.0.0.0/8']\n",
    )
    .unwrap();
    let gateway = Gateway::start(&["--config", config]);
    assert!(ended(&mut connect_from(OTHER, gateway.addr)));
    gateway.wait_metric("rejected_total{reason=\"denied\"}", 1);
    let line = gateway.line_with(&["event=reject", "reason=denied"]);
    assert!(line.contains("peer=127.0.0.2:"), "{line}");
    let mut open = connect(gateway.addr);
    assert!(echoes(&mut open));

    fs::write(&file, "[transport.peers]\nallow = ['127.0.0.2/31']\n").unwrap();
    gateway.signal(Signal::HUP);
    gateway.line_with(&["event=reload", "result=ok", "peers.allow", "peers.deny"]);
    assert!(echoes(&mut connect_from(OTHER, gateway.addr)));
    assert!(refuses(gateway.addr));
    gateway.wait_metric("rejected_total{reason=\"denied\"}", 2);
    assert!(echoes(&mut open), "an open connection stays");
}

#[test]
fn v4_rules_apply_on_dual_stack_listener() {
    let gateway = Start::default()
        .env("RON_TRANSPORT_PEERS_DENY", "::ffff:127.0.0.0/104")
        .args(&["--transport.bind-addr", "[::]:0"])
        .spawn();
    let v4 = (Ipv4Addr::LOCALHOST, gateway.addr.port()).into();
    assert!(refuses(v4));
    gateway.wait_metric("rejected_total{reason=\"denied\"}", 1);
}

#[test]
fn invalid_prefixes_are_explained() {
    for (value, said) in [
        ("10.1.2.3/8", "the network is 10.0.0.0/8"),
        ("10.0.0.0/33", "0 to 32"),
        ("example.org", "is not an IP address or a prefix"),
    ] {
        let (code, out, err) = run(&["check", "--transport.peers.deny", value], &[]);
        assert_eq!(code, 2, "{out}{err}");
        assert!(err.contains(said) && err.contains("peers.deny"), "{err}");
    }
}

#[test]
fn ten_thousand_prefixes_load_from_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("gateway.toml");
    let prefixes: Vec<_> = (0..10_000_u32)
        .map(|at| format!("'{}/24'", Ipv4Addr::from((10 << 24) + (at << 8))))
        .collect();
    let text = format!("[transport.peers]\ndeny = [\n{}\n]\n", prefixes.join(",\n"));
    fs::write(&file, text).unwrap();
    let gateway = Gateway::start(&["--config", file.to_str().unwrap()]);
    assert!(echoes(&mut connect(gateway.addr)));
}

#[test]
fn new_connection_evicts_an_idle_one() {
    let gateway = Gateway::start(&[
        "--transport.max-conns",
        "2",
        "--transport.overflow",
        "evict",
        "--transport.evict-after",
        "1s",
    ]);
    let (mut idle, mut busy) = (connect(gateway.addr), connect(gateway.addr));
    assert!(echoes(&mut idle) && echoes(&mut busy));
    std::thread::sleep(Duration::from_millis(1200));
    assert!(echoes(&mut busy));
    let mut newcomer = connect(gateway.addr);
    assert!(echoes(&mut newcomer), "served at once");
    assert!(ended(&mut idle), "in order");
    assert!(echoes(&mut busy));
    gateway.wait_metric(
        "transport_closes_total{backend=\"tcp\",reason=\"evicted\"}",
        1,
    );
    gateway.line_with(&["event=close", "reason=evicted"]);
    assert!(refuses(gateway.addr), "none is idle");
    gateway.wait_metric("rejected_total{reason=\"conn_limit\"}", 1);
    gateway.line_with(&[
        "event=config",
        "one address can evict every idle connection",
    ]);
}

#[test]
fn memory_pressure_ratio_needs_a_limit() {
    let gateway = Gateway::start(&["--gateway.memory.pressure", "1024GiB"]);
    assert_eq!(gateway.get("/readyz").status, 200);
    let metrics = gateway.get("/metrics").body;
    let line = metrics
        .lines()
        .find(|line| line.starts_with("ron_gateway_memory_pressure_ratio "));
    let ratio: f64 = line.unwrap().rsplit(' ').next().unwrap().parse().unwrap();
    assert!((0.0..1.0).contains(&ratio), "{ratio}");
    let (code, _, err) = run(&["check", "--gateway.memory.pressure", "1MiB"], &[]);
    assert!(code == 2 && err.contains("at least 16MiB"), "{err}");
}
