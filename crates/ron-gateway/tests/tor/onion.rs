//! Onion services, and targets through an exit.

use std::io::{Read, Write};
use std::net::TcpStream;

use ron_tornet::TorNet;

use crate::common::{connect, pattern, refuses, run, wait_for, Gateway};
use crate::rig::{
    config_path, echo, exchange, memory_of, on_tor, onion_name, onion_service, reach, ready,
    service, skip, tells_nothing, transitions,
};

const MIB: usize = 1 << 20;
/// Bytes that [`reach`] sends.
const ECHOED: u32 = 12;

fn forward(net: &TorNet, to: &str) -> Gateway {
    let gateway = on_tor(net).args(&["--forward", to]).spawn();
    ready(&gateway);
    gateway
}

#[test]
fn tcp_relayed_through_onion_service() {
    if skip("tcp_relayed_through_onion_service") {
        return;
    }
    let net = TorNet::shared();
    let a = onion_service(net).spawn();
    let status = a.get("/readyz");
    assert!(status.status == 503 || status.body.contains("\"ready\""));
    ready(&a);
    let name = onion_name(&a);
    let b = forward(net, &format!("tor://{name}:80"));
    let mut client = reach(&b);
    let sent = pattern(16 * MIB);
    assert!(exchange(&mut client, &sent) == sent);
    drop(client);
    for (gateway, backend) in [(&a, "arti"), (&b, "arti"), (&b, "tcp")] {
        let series = |name: &str| format!("{name}{{backend=\"{backend}\"}}");
        gateway.wait_metric(&series("conn_inflight"), 0);
        for bytes in ["bytes_in_total", "bytes_out_total"] {
            gateway.wait_metric(&series(bytes), u32::try_from(sent.len()).unwrap() + ECHOED);
        }
    }
    a.wait_metric("transport_accepts_total{backend=\"arti\"}", 1);
    let dials = "transport_dials_total{backend=\"arti\",result=\"ok\"}";
    b.wait_metric(dials, 1);
    a.wait_metric("arti_bootstrap_progress", 1);
    assert!(a
        .get("/readyz")
        .head
        .contains("arti-bootstrap-progress: 1.00"));

    // `dial` reaches it as well, with its own client.
    let config = config_path(net);
    let target = format!("tor://{name}:80");
    let args = ["dial", &target, "--transport.arti.config-path", &config];
    let (code, out, errors) = run(&[&args[..], &["--transport.amnesia", "on"]].concat(), &[]);
    assert_eq!((code, errors.as_str()), (0, ""), "{out}");
    assert!(
        out.contains("backend    arti") && out.contains("bootstrap"),
        "{out}"
    );

    for gateway in [&a, &b] {
        assert_eq!(children(gateway.pid()), "");
    }
    for gateway in [b, a] {
        let kept = memory_of(&gateway);
        assert!(kept.is_dir());
        let log = gateway.stop();
        assert!(!kept.exists());
        let story = [
            "Degraded(arti_bootstrap)",
            "Ready",
            "NotReady(draining)",
            "NotReady(stopped)",
        ];
        assert_eq!(transitions(&log), story, "{log}");
        tells_nothing(net, &log, &[&name]);
    }
}

#[test]
fn tcp_relayed_through_exit() {
    if skip("tcp_relayed_through_exit") {
        return;
    }
    let net = TorNet::shared();
    let upstream = service(echo);
    let gateway = forward(net, &format!("tor://{upstream}"));
    let sent = pattern(32 * MIB);
    let mut client = reach(&gateway);
    assert!(exchange(&mut client, &sent) == sent);
    drop(client);
    gateway.wait_metric("conn_inflight{backend=\"arti\"}", 0);
    let log = gateway.stop();
    tells_nothing(net, &log, &[&upstream.to_string()]);
}

/// The request or the response may end first.
///
/// The response arrives in full.
#[test]
fn response_before_close_is_delivered() {
    fn answer(mut stream: TcpStream) {
        let mut question = [0; 8];
        stream.read_exact(&mut question).unwrap();
        stream.write_all(&pattern(MIB)).unwrap();
    }
    if skip("response_before_close_is_delivered") {
        return;
    }
    let net = TorNet::shared();
    let upstream = service(answer);
    let a = onion_service(net)
        .args(&["--forward", &format!("tcp://{upstream}")])
        .spawn();
    ready(&a);
    let name = onion_name(&a);
    let b = forward(net, &format!("tor://{name}:80"));
    for half_closed in [false, true] {
        let answer = wait_for("an answer", || {
            let mut client = connect(b.addr);
            client.write_all(b"question").unwrap();
            if half_closed {
                client.shutdown(std::net::Shutdown::Write).unwrap();
            }
            let mut answer = Vec::new();
            // A client is reset while the service is not found yet.
            let _ = client.read_to_end(&mut answer);
            // The service may not be found yet.
            (!answer.is_empty()).then_some(answer)
        });
        assert!(answer == pattern(MIB));
    }
    // A port without a service.
    let c = forward(net, &format!("tor://{name}:81"));
    assert!(refuses(c.addr));
    c.wait_metric("rejected_total{reason=\"upstream\"}", 1);
    for gateway in [c, b, a] {
        tells_nothing(net, &gateway.stop(), &[&name]);
    }
}

/// Returns the live child processes of a process.
fn children(pid: u32) -> String {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let children = tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("children")));
    children.map(Result::unwrap).collect()
}
