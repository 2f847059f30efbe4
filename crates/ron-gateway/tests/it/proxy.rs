//! PROXY headers: from a balancer in front, and to the upstream.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use ron_transport::proxy::{encode, Proxied, ProxiedAddrs, ProxyVersion};
use rustix::process::Signal;

use crate::common::{connect, echoes, ended, read_all, round_trip, run, Gateway, Pki, Start};

/// Connects as a balancer that announces a client, from port 5000.
fn announce(gateway: &Gateway, client: &str) -> TcpStream {
    let mut header = Proxied::new(ProxyVersion::V2);
    header.addrs = ProxiedAddrs::Ip {
        source: SocketAddr::new(client.parse().unwrap(), 5000),
        destination: "198.51.100.9:443".parse().unwrap(),
    };
    header.unique_id = Some((*b"req-1").into());
    let mut stream = connect(gateway.addr);
    stream.write_all(&encode(&header)).unwrap();
    stream
}

#[test]
fn limits_follow_announced_address() {
    let gateway = Gateway::start(&[
        "--transport.proxy.trusted",
        "127.0.0.1",
        "--transport.per-peer.max-conns",
        "1",
    ]);
    let mut first = announce(&gateway, "192.0.2.1");
    assert!(echoes(&mut first));
    assert!(ended(&mut announce(&gateway, "192.0.2.1")));
    gateway.wait_metric("rejected_total{reason=\"peer_limit\"}", 1);
    let line = gateway.line_with(&["event=reject", "reason=peer_limit"]);
    assert!(
        line.contains("peer=192.0.2.1:5000 via=127.0.0.1:"),
        "{line}"
    );
    let mut other = announce(&gateway, "192.0.2.2");
    assert!(echoes(&mut other));
    gateway.wait_metric("proxy_headers_total{version=\"v2\",result=\"ok\"}", 3);
    drop(first);
    let line = gateway.line_with(&["event=close", "peer=192.0.2.1:5000"]);
    assert!(line.contains("corr_id=req-1"), "{line}");
}

#[test]
fn trusted_hops_follow_a_reload() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("gateway.toml");
    let trust = |hop: &str| {
        let text = format!("[transport.proxy]\ntrusted = ['{hop}']\nrequired = true\n");
        fs::write(&file, text).unwrap();
    };
    trust("192.0.2.0/24");
    let gateway = Gateway::start(&["--config", file.to_str().unwrap()]);
    assert!(ended(&mut announce(&gateway, "192.0.2.1")));
    gateway.wait_metric("rejected_total{reason=\"proxy\"}", 1);
    trust("127.0.0.0/8");
    gateway.signal(Signal::HUP);
    gateway.line_with(&["event=reload", "result=ok", "proxy.trusted"]);
    assert!(echoes(&mut announce(&gateway, "192.0.2.1")));
}

#[test]
fn silent_balancer_ends_at_header_timeout() {
    let gateway = Gateway::start(&[
        "--transport.proxy.trusted",
        "127.0.0.1",
        "--transport.proxy.header-timeout",
        "200ms",
    ]);
    let mut silent = connect(gateway.addr);
    assert!(ended(&mut silent));
    gateway.wait_metric("rejected_total{reason=\"timeout\"}", 1);
    gateway.wait_metric(
        "proxy_headers_total{version=\"none\",result=\"timeout\"}",
        1,
    );
    let line = gateway.line_with(&["event=reject", "reason=timeout"]);
    assert!(line.contains("proxy_header deadline passed"), "{line}");
}

#[test]
fn upstream_receives_header_first() {
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = format!("tcp://{}", upstream.local_addr().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("gateway.toml");
    let send = |version: &str| {
        fs::write(&file, format!("[transport]\nproxy.send = '{version}'\n")).unwrap();
    };
    send("v1");
    let gateway = Gateway::start(&["--forward", &to, "--config", file.to_str().unwrap()]);
    let received = || {
        let mut client = connect(gateway.addr);
        let from = client.local_addr().unwrap();
        client.write_all(b"data").unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        let (mut accepted, _) = upstream.accept().unwrap();
        (read_all(&mut accepted), from)
    };
    let (bytes, from) = received();
    let listen = gateway.addr;
    let line = format!(
        "PROXY TCP4 {} {} {} {}\r\ndata",
        from.ip(),
        listen.ip(),
        from.port(),
        listen.port()
    );
    assert_eq!(String::from_utf8_lossy(&bytes), line);
    send("v2");
    gateway.signal(Signal::HUP);
    gateway.line_with(&["event=reload", "result=ok", "proxy.send"]);
    let (bytes, from) = received();
    let mut decoder = ron_transport::proxy::HeaderDecoder::new();
    let (used, header) = decoder.feed(&bytes).unwrap();
    let header = header.unwrap();
    assert_eq!(
        (header.source(), header.destination()),
        (Some(from), Some(listen))
    );
    assert_eq!(&bytes[used..], b"data");
    let id: u64 = header.unique_id_text().unwrap().parse().unwrap();
    assert!(id > 0);
}

/// TLS to the first gateway, which announces its client to the second.
#[test]
fn tls_facts_reach_the_next_gateway() {
    let pki = Pki::new();
    pki.server("one");
    let last = Start::default()
        .args(&["--gateway.log.level", "debug"])
        .args(&["--transport.proxy.trusted", "127.0.0.1"])
        .spawn();
    let listen = pki.listen();
    let args: Vec<&str> = listen.iter().map(String::as_str).collect();
    let first = Start::default()
        .args(&args)
        .args(&["--forward", &format!("tcp://{}", last.addr)])
        .args(&["--transport.proxy.send", "v2"])
        .spawn();
    let trust = pki.trust();
    let args: Vec<&str> = trust.iter().map(String::as_str).collect();
    let client = Start::default()
        .args(&args)
        .args(&[
            "--forward",
            &format!("tls://localhost:{}", first.addr.port()),
        ])
        .spawn();
    let sent = crate::common::pattern(300_000);
    assert!(round_trip(connect(client.addr), &sent) == sent);
    let line = last.line_with(&["event=proxy", "version=v2"]);
    for field in [
        "tls_version=TLSv1.3",
        "tls_cipher=TLS_",
        "tls_verified=false",
        "authority=localhost",
        "via=127.0.0.1:",
    ] {
        assert!(line.contains(field), "{field}: {line}");
    }
}

#[test]
fn check_warns_of_spoofable_trust() {
    let args = ["check", "--transport.proxy.trusted", "0.0.0.0/0"];
    let (code, out, err) = run(&args, &[]);
    assert_eq!(code, 0, "{err}");
    assert!(
        (out + &err).contains("every peer can announce any address"),
        "no warning"
    );
    let args = ["check", "--transport.proxy.required", "on"];
    let (code, _, err) = run(&args, &[]);
    assert_eq!(code, 2);
    assert!(err.contains("needs proxy.trusted"), "{err}");
}

/// A relay closes the announced connection as any other.
#[test]
fn health_checks_are_no_rejects() {
    let gateway = Gateway::start(&["--transport.proxy.trusted", "127.0.0.1"]);
    drop(connect(gateway.addr));
    gateway.wait_metric("proxy_headers_total{version=\"none\",result=\"closed\"}", 1);
    let mut local = connect(gateway.addr);
    local.write_all(b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0").unwrap();
    local.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(local.read(&mut [0]).unwrap(), 0);
    gateway.wait_metric(
        "proxy_headers_total{version=\"v2\",result=\"no_address\"}",
        1,
    );
    gateway.wait_metric("transport_closes_total{backend=\"tcp\",reason=\"eof\"}", 2);
    let metrics = gateway.get("/metrics").body;
    let rejected = |line: &&str| line.starts_with("rejected_total") && !line.ends_with(" 0");
    assert_eq!(metrics.lines().find(rejected), None);
}
