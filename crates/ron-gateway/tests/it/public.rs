//! `preset = "public"`: the per-peer cap, and warnings without it.

use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};

use crate::common::{connect, connect_from, echoes, refuses, run, wait_for, Gateway, Start};

/// `per_peer.max_conns` of the preset.
const HELD: usize = 100;

/// Opens and holds this many connections from one address.
fn hold(gateway: &Gateway, conns: usize) -> Vec<TcpStream> {
    let mut held = Vec::new();
    // Connections over the accept rate are refused and retried.
    wait_for("held connections", || {
        while held.len() < conns {
            let mut conn = connect(gateway.addr);
            if !echoes(&mut conn) {
                return None;
            }
            held.push(conn);
        }
        Some(())
    });
    held
}

#[test]
fn held_connections_leave_other_peers_in() {
    let gateway = Gateway::start(&["--transport.preset", "public"]);
    let mut held = hold(&gateway, HELD);
    wait_for("a refusal by the cap", || {
        assert!(refuses(gateway.addr));
        let refused = gateway.metric("rejected_total{reason=\"peer_limit\"}");
        (refused >= 1.0).then_some(())
    });
    let other = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
    assert!(echoes(&mut connect_from(other, gateway.addr)));
    assert!(held.iter_mut().all(echoes));
    gateway.wait_metric("rejected_total{reason=\"conn_limit\"}", 0);
}

fn warning(args: &[&str]) -> String {
    let (code, _, errors) = run(&[&["check"], args].concat(), &[]);
    assert_eq!(code, 0, "{errors}");
    errors
}

#[test]
fn public_address_without_peer_cap_warned() {
    for addr in ["0.0.0.0:9444", "[::]:9444", "192.0.2.1:9444"] {
        let warned = warning(&["--transport.bind-addr", addr]);
        assert_eq!(warned.lines().count(), 1, "{warned}");
        for named in [
            addr,
            "per_peer.max_conns",
            "per_peer.accepts_per_sec",
            "preset = \"public\"",
        ] {
            assert!(warned.contains(named), "{warned}");
        }
        for capped in [
            ["--transport.per-peer.max-conns", "1024"],
            ["--transport.preset", "public"],
        ] {
            let bind = ["--transport.bind-addr", addr];
            assert_eq!(warning(&[bind, capped].concat()), "");
        }
    }
}

#[test]
fn loopback_without_peer_cap_not_warned() {
    for addr in ["127.0.0.9:9444", "[::1]:9444", "[::ffff:127.0.0.1]:9444"] {
        assert_eq!(warning(&["--transport.bind-addr", addr]), "");
    }
    assert_eq!(warning(&[]), "");
}

#[cfg(feature = "uds")]
#[test]
fn unix_socket_without_peer_cap_not_warned() {
    let socket = ["--transport.uds.path", "/run/ron-gateway/public.sock"];
    let backend = ["--transport.backend", "uds"];
    let uids = ["--transport.uds.allow-uids", "0"];
    assert_eq!(warning(&[backend, socket, uids].concat()), "");
}

#[test]
fn start_warns_of_missing_peer_cap() {
    let said = "with per_peer.max_conns off";
    let bound = Start::default()
        .unbound()
        .args(&["--transport.bind-addr", "0.0.0.0:0"])
        .spawn();
    bound.line_with(&["event=config", said]);
    let socket = TcpListener::bind("0.0.0.0:0").unwrap();
    let inherited = Start::default().unbound().socket(socket).spawn();
    inherited.line_with(&["event=config", said]);
    for gateway in [bound, inherited] {
        let log = gateway.stop();
        assert_eq!(log.matches(said).count(), 1, "{log}");
    }
    let log = Gateway::start(&[]).stop();
    assert!(!log.contains(said), "{log}");
}
