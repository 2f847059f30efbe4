//! Start and stop of a gateway over Tor.

use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use ron_tornet::TorNet;
use rustix::process::Signal;

use crate::common::{run, Start};
use crate::rig::{
    config_path, memory_of, on_tor, onion_name, onion_service, ready, skip, transitions,
};

#[test]
fn fresh_starts_are_degraded_then_ready() {
    if skip("fresh_starts_are_degraded_then_ready") {
        return;
    }
    let net = TorNet::shared();
    let mut took = Vec::new();
    for _ in 0..20 {
        let begun = Instant::now();
        let gateway = onion_service(net).spawn();
        gateway.line_with(&["event=ready", "state=Ready"]);
        took.push(begun.elapsed());
        let log = gateway.stop();
        assert_eq!(
            transitions(&log)[..2],
            ["Degraded(arti_bootstrap)", "Ready"]
        );
    }
    took.sort();
    println!(
        "fresh starts: median {:?}, all {took:?}",
        took[took.len() / 2]
    );
}

#[test]
fn stale_memory_directory_is_removed() {
    if skip("stale_memory_directory_is_removed") {
        return;
    }
    let net = TorNet::shared();
    let killed = onion_service(net).spawn();
    ready(&killed);
    let left = memory_of(&killed);
    killed.signal(Signal::KILL);
    let (status, ..) = killed.wait();
    assert_eq!(status.signal(), Some(9));
    assert!(left.exists());
    let next = onion_service(net).spawn();
    assert!(!left.exists());
    next.stop();
}

#[test]
fn second_signal_still_removes_tor_files() {
    if skip("second_signal_still_removes_tor_files") {
        return;
    }
    let net = TorNet::shared();
    let upstream = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let to = format!("tor://{}", upstream.local_addr().unwrap());
    let gateway = on_tor(net)
        .args(&["--forward", &to, "--transport.drain-timeout", "1h"])
        .spawn();
    ready(&gateway);
    let client = crate::common::connect(gateway.addr);
    let (served, _) = upstream.accept().unwrap();
    gateway.wait_metric("conn_inflight{backend=\"arti\"}", 1);
    let kept = memory_of(&gateway);
    // The connection is busy: a reply is owed.
    std::io::Write::write_all(&mut &client, b"question").unwrap();
    gateway.signal(Signal::TERM);
    gateway.line_with(&["state=\"NotReady(\\\"draining\\\")\""]);
    gateway.signal(Signal::TERM);
    let begun = Instant::now();
    let (status, log, _) = gateway.wait();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert!(!kept.exists());
    drop((client, served));
}

/// Without amnesia the address persists.
///
/// One gateway at a time uses it.
#[test]
fn onion_address_persists_with_state_dir() {
    if skip("onion_address_persists_with_state_dir") {
        return;
    }
    let net = TorNet::shared();
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (state, cache, config) = (at("state"), at("cache"), config_path(net));
    let kept = [
        "--transport.backend",
        "arti",
        "--transport.arti.config-path",
        &config,
        "--transport.arti.onion-service.enabled",
        "on",
        "--transport.arti.state-dir",
        &state,
        "--transport.arti.cache-dir",
        &cache,
    ];
    let start = || Start::default().unbound().args(&kept).spawn();
    let first = start();
    ready(&first);
    let name = onion_name(&first);
    // The second gateway waits until the first stops.
    let second = start();
    second.line_with(&["the onion service cannot be launched", "in use"]);
    assert_eq!(second.get("/readyz").status, 503);
    first.stop();
    ready(&second);
    assert_eq!(onion_name(&second), name);
    second.stop();
}

#[test]
fn conflicting_tor_settings_are_rejected() {
    let refused = |args: &[&str], what: &str| {
        let (code, _, errors) = run(args, &[]);
        assert_eq!(code, 2, "{errors}");
        assert!(errors.contains(what), "{errors}");
    };
    let arti = ["--transport.backend", "arti"];
    let with = |more: &[&'static str]| [&arti[..], more].concat();
    refused(
        &arti,
        "cannot listen without transport.arti.onion_service.enabled",
    );
    refused(
        &with(&["--transport.bind-addr", "127.0.0.1:0"]),
        "listens as an onion service: leave bind_addr out",
    );
    refused(
        &["--transport.arti.onion-service.enabled", "on"],
        "needs backend = arti",
    );
    let on = [
        "--transport.arti.onion-service.enabled",
        "on",
        "--transport.amnesia",
        "on",
        "--transport.arti.state-dir",
        "/var/lib/x",
    ];
    refused(&with(&on), "with amnesia the directory is in memory");
}

/// Amnesia must prevent core dumps.
#[test]
fn amnesia_disables_core_dumps() {
    let dir = tempfile::tempdir().unwrap();
    for amnesia in ["on", "off"] {
        let mut command = Start::default()
            .args(&["--transport.amnesia", amnesia])
            .command();
        command.current_dir(dir.path());
        let mut child = command.spawn().unwrap();
        let out = child.stdout.take().unwrap();
        let mut lines = std::io::BufRead::lines(std::io::BufReader::new(out));
        assert!(lines.any(|line| line.unwrap().contains("event=start")));
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core"));
        let core: Vec<_> = core.unwrap().split_whitespace().collect();
        assert_eq!(core[4..6] == ["0", "0"], amnesia == "on", "{core:?}");
        rustix::process::kill_process(rustix::process::Pid::from_child(&child), Signal::ABORT)
            .unwrap();
        let status = child.wait().unwrap();
        assert_eq!(status.signal(), Some(6));
        assert!(amnesia == "off" || !status.core_dumped());
    }
}
