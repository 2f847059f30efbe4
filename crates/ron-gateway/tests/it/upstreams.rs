//! Several upstream targets: failover, rests, readiness, and their reload.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::thread;

use rustix::process::Signal;

use crate::common::{
    bound_to_nothing, connect, field, read_all, refuses, round_trip, runtime, wait_for, Gateway,
};

/// Serves a name to every connection that half-closes.
fn named(name: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || serve(&listener, name));
    addr
}

fn serve(listener: &TcpListener, name: &'static str) {
    for conn in listener.incoming() {
        let mut conn = conn.unwrap();
        read_all(&mut conn);
        std::io::Write::write_all(&mut conn, name.as_bytes()).unwrap();
    }
}

fn ask(gateway: &Gateway) -> String {
    String::from_utf8(round_trip(connect(gateway.addr), b"?")).unwrap()
}

fn forwarding(targets: &[SocketAddr]) -> Gateway {
    let mut args = Vec::new();
    for target in targets {
        args.extend(["--forward".to_owned(), format!("tcp://{target}")]);
    }
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    Gateway::start(&args)
}

fn state(index: usize) -> String {
    format!("upstream_state{{target_index=\"{index}\"}}")
}

#[test]
fn connections_rotate_over_targets() {
    let gateway = forwarding(&[named("a"), named("b"), named("c")]);
    let mut answers: Vec<_> = (0..6).map(|_| ask(&gateway)).collect();
    let first: Vec<_> = answers.drain(..3).collect();
    assert_eq!(answers, first);
    let mut each = first;
    each.sort();
    assert_eq!(each, ["a", "b", "c"]);
    for index in 0..3 {
        gateway.wait_metric(&state(index), 1);
    }
}

#[test]
fn dead_target_costs_no_connection() {
    let (_socket, dead) = bound_to_nothing();
    let gateway = forwarding(&[dead, named("b")]);
    for _ in 0..4 {
        assert_eq!(ask(&gateway), "b");
    }
    gateway.wait_metric(&state(0), 0);
    gateway.wait_metric("rejected_total{reason=\"upstream\"}", 0);
    // One dial failed; later connections avoid the target while it rests.
    let line = gateway.line_with(&["event=upstream", "target_index=0", "rest_ms="]);
    assert!(field(&line, "upstream").is_some(), "{line}");
    assert_eq!(gateway.get("/readyz").status, 200);
    let status = serde_json::from_str::<serde_json::Value>(&gateway.get("/status").body).unwrap();
    assert_eq!(status["listeners"][0]["upstreams"][0]["available"], false);
    assert_eq!(status["listeners"][0]["upstreams"][1]["available"], true);
}

#[test]
fn readiness_follows_the_last_target() {
    let (first, first_addr) = bound_to_nothing();
    let (_second, second_addr) = bound_to_nothing();
    let gateway = forwarding(&[first_addr, second_addr]);
    assert!(refuses(gateway.addr));
    wait_for("degraded readiness", || {
        gateway
            .get("/readyz")
            .body
            .contains("\"upstream\"")
            .then_some(())
    });
    gateway.wait_metric("rejected_total{reason=\"upstream\"}", 1);
    let listener = runtime().block_on(async { first.listen(8).unwrap().into_std().unwrap() });
    listener.set_nonblocking(false).unwrap();
    thread::spawn(move || serve(&listener, "a"));
    // Resting targets are still tried, so the first connection after the recovery is served.
    assert_eq!(ask(&gateway), "a");
    wait_for("readiness", || {
        (gateway.get("/readyz").status == 200).then_some(())
    });
    gateway.line_with(&["event=ready", "state=Ready"]);
    gateway.line_with(&["event=upstream", "the upstream target answers again"]);
}

#[test]
fn reload_replaces_targets_and_keeps_rests() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("gateway.toml");
    let (_socket, dead) = bound_to_nothing();
    let write = |targets: &[SocketAddr]| {
        let targets: Vec<_> = targets
            .iter()
            .map(|addr| format!("'tcp://{addr}'"))
            .collect();
        let text = format!(
            "[gateway]\nmode = 'forward'\nforward_to = [{}]\n",
            targets.join(", ")
        );
        fs::write(&file, text).unwrap();
    };
    write(&[dead, named("b")]);
    let gateway = Gateway::start(&["--config", file.to_str().unwrap()]);
    assert_eq!([ask(&gateway), ask(&gateway)], ["b", "b"]);
    gateway.wait_metric(&state(0), 0);
    gateway.wait_metric("conn_inflight{backend=\"tcp\"}", 0);
    let open = connect(gateway.addr);
    gateway.wait_metric("conn_inflight{backend=\"tcp\"}", 2);

    let third = named("c");
    write(&[third, dead]);
    gateway.signal(Signal::HUP);
    gateway.line_with(&["event=reload", "result=ok"]);
    wait_for("the new targets", || {
        let status = gateway.get("/status").body;
        status.contains(&third.to_string()).then_some(())
    });
    assert_eq!([ask(&gateway), ask(&gateway)], ["c", "c"]);
    gateway.wait_metric(&state(0), 1);
    assert_eq!(round_trip(open, b"?"), b"b");

    fs::write(
        &file,
        "[gateway]\nmode = 'forward'\nforward_to = ['tcp://a:1', 'tcp://a:1']\n",
    )
    .unwrap();
    gateway.signal(Signal::HUP);
    gateway.line_with(&["event=reload", "result=rejected", "twice"]);
    assert_eq!(ask(&gateway), "c");
}
