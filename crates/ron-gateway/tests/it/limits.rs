//! Caps: a connection over a cap is refused and counted.
//!
//! The others continue.

use std::net::{IpAddr, Ipv4Addr};

use crate::common::{
    connect, connect_from, echoes, ended, field, refuses, wait_for, Gateway, Start,
};

#[test]
fn connection_over_max_conns_is_refused() {
    let gateway = Start::default().env("RON_TRANSPORT_MAX_CONNS", "5").spawn();
    let mut five: Vec<_> = (0..5).map(|_| connect(gateway.addr)).collect();
    assert!(five.iter_mut().all(echoes));
    let mut sixth = connect(gateway.addr);
    assert!(ended(&mut sixth));
    gateway.wait_metric("rejected_total{reason=\"conn_limit\"}", 1);
    assert_eq!(
        gateway.get("/readyz").status,
        200,
        "admin is outside of the cap"
    );
    assert!(five.iter_mut().all(echoes));
    gateway.line_with(&["event=reject", "reason=conn_limit"]);
    five.pop();
    wait_for("a free place", || {
        echoes(&mut connect(gateway.addr)).then_some(())
    });
    assert!(five.iter_mut().all(echoes));
}

#[test]
fn connection_over_peer_cap_is_refused() {
    let gateway = Gateway::start(&["--transport.per-peer.max-conns", "2"]);
    let mut two: Vec<_> = (0..2).map(|_| connect(gateway.addr)).collect();
    assert!(two.iter_mut().all(echoes));
    assert!(refuses(gateway.addr));
    gateway.wait_metric("rejected_total{reason=\"peer_limit\"}", 1);
    let other = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
    assert!(echoes(&mut connect_from(other, gateway.addr)));
    assert!(two.iter_mut().all(echoes));
    let line = gateway.line_with(&["event=reject", "reason=peer_limit"]);
    assert!(
        field(&line, "peer").unwrap().starts_with("127.0.0.1:"),
        "{line}"
    );
}

#[test]
fn refusals_counted_exactly_and_log_sampled() {
    let gateway = Gateway::start(&["--transport.max-conns", "1"]);
    let mut only = connect(gateway.addr);
    assert!(echoes(&mut only));
    for _ in 0..1000 {
        assert!(refuses(gateway.addr));
    }
    gateway.wait_metric("rejected_total{reason=\"conn_limit\"}", 1000);
    drop(only);
    let log = gateway.stop();
    let rejects = log
        .lines()
        .filter(|line| line.contains("event=reject"))
        .count();
    assert!((1..50).contains(&rejects), "{rejects} lines");
}
