//! TLS over Tor, end to end between gateways.

use ron_tornet::TorNet;

use crate::common::{pattern, refuses, run, Gateway, Pki, Start};
use crate::rig::{
    config_path, exchange, on_tor, onion_name, onion_service, reach, ready, skip, tells_nothing,
};

fn strs(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}

/// A client, an onion service that relays, and a server behind it. The hybrid key exchange is
/// between client and server.
#[test]
fn hybrid_key_exchange_over_onion_circuit() {
    if skip("hybrid_key_exchange_over_onion_circuit") {
        return;
    }
    let net = TorNet::shared();
    let pki = Pki::new();
    pki.server("behind");
    let server = Start::default()
        .args(&strs(&pki.listen()))
        .args(&["--transport.pq.mode", "required"])
        .spawn();
    let onion = onion_service(net)
        .args(&["--forward", &format!("tcp://{}", server.addr)])
        .spawn();
    ready(&onion);
    let name = onion_name(&onion);
    let trust = pki.trust();
    let to = format!("tls+tor://{name}:80");
    let client = |pq: &str| -> Gateway {
        let gateway = on_tor(net)
            .args(&strs(&trust))
            .args(&["--transport.tls-client.sni-override", "localhost"])
            .args(&["--transport.pq.mode", pq, "--forward", &to])
            .spawn();
        ready(&gateway);
        gateway
    };
    let hybrid = client("hybrid");
    let sent = pattern(1 << 20);
    let mut stream = reach(&hybrid);
    assert!(exchange(&mut stream, &sent) == sent);
    drop(stream);
    let kx = "tls_handshakes_total{kx=\"x25519mlkem768\",resumed=\"no\",result=\"ok\"}";
    server.wait_metric(kx, 1);
    hybrid.wait_metric(kx, 1);
    // Both ends sent close_notify: no truncation.
    server.wait_metric("transport_closes_total{backend=\"tls\",reason=\"eof\"}", 1);
    // A certificate for another name; the name is not logged.
    let wrong = on_tor(net)
        .args(&strs(&trust))
        .args(&["--transport.pq.mode", "hybrid", "--forward", &to])
        .spawn();
    ready(&wrong);
    assert!(refuses(wrong.addr));
    wrong.wait_metric("rejected_total{reason=\"tls\"}", 1);
    wrong.line_with(&["event=dial", "certificate is for another name"]);
    let classical = client("off");
    assert!(refuses(classical.addr));
    classical.wait_metric("rejected_total{reason=\"tls\"}", 1);

    let config = config_path(net);
    let args = [
        &["dial", &to, "--transport.arti.config-path", &config][..],
        &strs(&trust),
        &["--transport.tls-client.sni-override", "localhost"],
        &[
            "--transport.amnesia",
            "on",
            "--transport.pq.mode",
            "required",
        ],
    ];
    let (code, out, errors) = run(&args.concat(), &[]);
    assert_eq!(code, 0, "{errors}");
    assert!(out.contains("kx         x25519mlkem768"), "{out}");
    for gateway in [hybrid, wrong, classical, onion] {
        tells_nothing(net, &gateway.stop(), &[&name]);
    }
    server.stop();
}
