//! Networks that are up, and their clean-up on drop.

use std::collections::HashSet;
use std::net::TcpStream;
use std::process::Command;

use ron_tornet::{skip, Node, TorNet};

use crate::processes;

#[test]
fn every_node_listens_with_its_flags() {
    if skip("every_node_listens_with_its_flags") {
        return;
    }
    let net = TorNet::shared();
    assert!(std::ptr::eq(net, TorNet::shared()), "shared by all");
    assert_eq!(processes::tors_of(net.dir()).len(), 5);
    for node in Node::ALL {
        TcpStream::connect(net.or_addr(node)).unwrap();
        assert_eq!(net.dir_addr(node).is_some(), node.is_authority(), "{node}");
        if !node.is_authority() {
            assert!(net.consensus(node).is_err(), "{node}");
            continue;
        }
        let consensus = net.consensus(node).unwrap().unwrap();
        assert_eq!(consensus.relays.len(), 5, "{node}");
        for listed in Node::ALL {
            let relay = consensus.relay(listed).unwrap();
            assert_eq!(relay.or_port, net.or_addr(listed).port());
            let has = |flag: &str| relay.flags.iter().any(|has| has == flag);
            for flag in ["Fast", "HSDir", "Running", "Stable", "Valid"] {
                assert!(has(flag), "{listed} has no {flag}: {relay:?}");
            }
            // The only exit is no guard: a client with it as guard would have no path.
            assert_eq!(has("Exit"), listed == Node::Exit, "{relay:?}");
            assert_eq!(has("Guard"), listed != Node::Exit, "{relay:?}");
            assert_eq!(has("Authority"), listed.is_authority(), "{relay:?}");
        }
    }
}

#[test]
fn test_without_tor_reports_skip() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["up::every_node_listens", "--test-threads=1"])
        .env("PATH", "")
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let said = "SKIPPED (1 in this process), since `tor` is not installed: every_node_listens";
    assert!(
        output.status.success() && stderr.contains(said),
        "{output:?}"
    );
}

#[test]
fn parallel_networks_are_apart() {
    if skip("two_at_a_time_are_apart_and_leave_nothing_when_dropped") {
        return;
    }
    let parent = tempfile::tempdir().unwrap();
    let start = || TorNet::start_in(parent.path()).unwrap();
    let (one, two) = std::thread::scope(|scope| {
        let one = scope.spawn(start);
        (start(), one.join().unwrap())
    });
    let addrs = |net: &TorNet| Node::ALL.map(|node| net.or_addr(node));
    let all: HashSet<_> = addrs(&one).into_iter().chain(addrs(&two)).collect();
    assert_eq!(all.len(), 10);
    assert_ne!(one.dir(), two.dir());
    let config = two.client_config();
    assert_ne!(one.client_config(), config);
    for authority in [Node::Auth1, Node::Auth2, Node::Auth3] {
        assert!(config.contains(&format!("\"{}\"", two.or_addr(authority))));
    }

    let (gone, gone_addrs) = (one.dir().to_owned(), addrs(&one));
    drop(one);
    assert_eq!(processes::of(&gone).len(), 0);
    assert!(!gone.exists());
    for addr in gone_addrs {
        TcpStream::connect(addr).unwrap_err();
    }
    assert_eq!(processes::tors_of(two.dir()).len(), 5);
    assert!(two.consensus(Node::Auth1).unwrap().is_some());

    // Also while a panic unwinds, and while processes are frozen.
    let gone = two.dir().to_owned();
    two.freeze().unwrap();
    let panicked = std::thread::spawn(move || {
        let _net = two;
        panic!("deliberate panic");
    });
    panicked.join().unwrap_err();
    assert_eq!(processes::of(&gone).len(), 0);
    assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 0);
}
