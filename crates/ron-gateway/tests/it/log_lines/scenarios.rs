//! Scenarios that log every event.

use std::io::Write;
use std::net::IpAddr;

use rustix::process::Signal;

use super::expect;
use crate::common::{
    aborted, bound_to_nothing, connect, connect_from, echoes, ended, refuses, round_trip, run,
    Gateway, Start, SANDBOX,
};

const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));

/// Returns a gateway that logs all events as JSON.
fn logging(args: &[&str]) -> Start {
    let json = [
        "--gateway.log.format",
        "json",
        "--gateway.log.level",
        "trace",
    ];
    // The sandbox line is then equal on every kernel.
    let start = Start::default().env(SANDBOX, "off");
    start.args(&json).args(args)
}

/// Waits for an event with these members.
fn wait(gateway: &Gateway, event: &str, more: &[&str]) {
    let event = format!("\"event\":\"{event}\"");
    let texts: Vec<&str> = more.iter().copied().chain([event.as_str()]).collect();
    gateway.line_with(&texts);
}

fn reject(gateway: &Gateway, reason: &str) {
    wait(gateway, "reject", &[&format!("\"reason\":\"{reason}\"")]);
}

fn close(gateway: &Gateway, reason: &str) {
    wait(gateway, "close", &[&format!("\"reason\":\"{reason}\"")]);
}

#[test]
fn tcp() {
    let gateway = logging(&[
        "--transport.per-peer.max-conns",
        "1",
        "--transport.idle-timeout",
        "1s",
        "--transport.dial-timeout",
        "900ms",
    ])
    .args(&["--gateway.forward-to", "tcp://127.0.0.1:1"])
    .spawn();
    let mut first = connect(gateway.addr);
    assert!(echoes(&mut first));
    assert!(refuses(gateway.addr));
    reject(&gateway, "peer_limit");
    drop(first);
    close(&gateway, "eof");
    let mut silent = connect_from(OTHER, gateway.addr);
    assert!(ended(&mut silent));
    close(&gateway, "idle");
    wait(&gateway, "echo", &["idle"]);
    expect("tcp", &gateway.stop(), &[]);
}

#[test]
fn proxy() {
    use ron_transport::proxy::{encode, Proxied, ProxiedAddrs, ProxiedTls, ProxyVersion};
    let mut header = Proxied::new(ProxyVersion::V2);
    header.addrs = ProxiedAddrs::Ip {
        source: "192.0.2.1:5000".parse().unwrap(),
        destination: "192.0.2.9:443".parse().unwrap(),
    };
    header.unique_id = Some((*b"req-1").into());
    header.authority = Some("a.example\u{1b}[0m".into());
    header.alpn = Some((*b"h2").into());
    let mut tls = ProxiedTls::default();
    tls.version = Some("TLSv1.3".into());
    tls.cipher = Some("TLS_AES_256_GCM_SHA384".into());
    tls.common_name = Some("client\n".into());
    header.tls = Some(tls);
    let gateway = logging(&["--transport.proxy.trusted", "127.0.0.1"]).spawn();
    let mut hop = connect(gateway.addr);
    hop.write_all(&encode(&header)).unwrap();
    assert!(echoes(&mut hop));
    drop(hop);
    close(&gateway, "eof");
    let mut wrong = connect(gateway.addr);
    wrong.write_all(b"PROXY TCP9 \r\n").unwrap();
    assert!(ended(&mut wrong));
    reject(&gateway, "proxy");
    expect("proxy", &gateway.stop(), &[]);
}

#[test]
fn limits() {
    let gateway = logging(&[
        "--transport.max-conns",
        "1",
        "--transport.per-peer.accepts-per-sec",
        "1",
    ])
    .spawn();
    let mut only = connect(gateway.addr);
    assert!(echoes(&mut only));
    assert!(ended(&mut connect_from(OTHER, gateway.addr)));
    reject(&gateway, "conn_limit");
    drop(only);
    close(&gateway, "eof");
    // Two connections of one peer within a second, also on a slow machine.
    crate::common::wait_for("a refusal by rate", || {
        drop((connect(gateway.addr), connect(gateway.addr)));
        gateway
            .log()
            .contains("\"reason\":\"rate_limited\"")
            .then_some(())
    });
    let log = gateway.stop();
    // The last connections end in different ways, depending on timing.
    let is = |line: &str, event: &str| line.contains(&format!("\"event\":\"{event}\""));
    let of_time = |line: &&str| {
        is(line, "close") || is(line, "echo") || is(line, "reject") && line.contains("draining")
    };
    let log: Vec<_> = log.lines().filter(|line| !of_time(line)).collect();
    expect("limits", &log.join("\n"), &[]);
}

#[test]
fn frames() {
    let gateway = logging(&["--echo-frames", "--transport.read-timeout", "300ms"]).spawn();
    let whole = [0, 0, 0, 1, 7];
    assert_eq!(round_trip(connect(gateway.addr), &whole), whole);
    let mut large = connect(gateway.addr);
    large.write_all(&(2_u32 << 20).to_be_bytes()).unwrap();
    assert!(ended(&mut large));
    reject(&gateway, "too_large");
    let mut unfinished = connect(gateway.addr);
    unfinished.write_all(&[0, 0, 0, 9, 1]).unwrap();
    assert!(aborted(&mut unfinished));
    reject(&gateway, "timeout");
    expect("frames", &gateway.stop(), &[]);
}

#[test]
fn forward() {
    let upstream = Gateway::start(&[]);
    let target = format!("tcp://{}", upstream.addr);
    let gateway = logging(&["--forward", &target]).spawn();
    assert_eq!(
        round_trip(connect(gateway.addr), b"there and back"),
        b"there and back"
    );
    wait(&gateway, "relay", &[]);
    let at = upstream.addr.to_string();
    expect("forward", &gateway.stop(), &[(&at, "UPSTREAM")]);

    let (_socket, nobody) = bound_to_nothing();
    let gateway = logging(&["--forward", &format!("tcp://{nobody}")]).spawn();
    assert!(refuses(gateway.addr));
    reject(&gateway, "upstream");
    close(&gateway, "error");
    wait(&gateway, "ready", &["upstream"]);
    expect(
        "upstream-fails",
        &gateway.stop(),
        &[(&nobody.to_string(), "UPSTREAM")],
    );
}

#[test]
fn drain() {
    let gateway = logging(&["--transport.drain-timeout", "200ms"]).spawn();
    let mut busy = connect(gateway.addr);
    assert!(echoes(&mut busy));
    expect("drain", &gateway.stop(), &[]);
}

#[test]
fn reload() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("gateway.toml");
    let write = |text: &str| {
        let next = dir.path().join("next");
        std::fs::write(&next, format!("[transport]\n{text}")).unwrap();
        std::fs::rename(next, &file).unwrap();
    };
    write("max_conns = 5\n");
    let gateway = logging(&["--config", file.to_str().unwrap()]).spawn();
    for (text, said) in [
        (
            "max_conns = 6\nread_timeout = '2s'\n",
            "\"keys\":\"max_conns,read_timeout\"",
        ),
        ("max_conns = 6\ntcp.backlog = 9\n", "needs a restart"),
        ("max_conns = 0\n", "max_conns = "),
    ] {
        write(text);
        gateway.signal(Signal::HUP);
        wait(&gateway, "reload", &[said]);
    }
    let log = gateway.stop();
    expect("reload", &log, &[(dir.path().to_str().unwrap(), "DIR")]);
}

#[test]
fn start_fails() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap().to_string();
    let json = [
        "--gateway.log.format",
        "json",
        "--admin",
        "",
        "--transport.bind-addr",
    ];
    let (code, log, _) = run(&[&json[..], &[&at]].concat(), &[]);
    assert_eq!(code, 1);
    expect("bind-fails", &log, &[(&at, "LISTEN")]);
}

#[cfg(feature = "tls")]
mod tls {
    use std::io::Read as _;

    use super::*;
    use crate::common::Pki;

    fn strs(args: &[String]) -> Vec<&str> {
        args.iter().map(String::as_str).collect()
    }

    #[test]
    fn tls() {
        let pki = Pki::new();
        pki.server_until("one", 5);
        let deadline = [
            "--transport.handshake-timeout",
            "500ms",
            "--transport.tls.alpn",
            "oap",
        ];
        let server = logging(&deadline).args(&strs(&pki.listen())).spawn();
        wait(&server, "certificate", &[]);
        let target = format!("tls://localhost:{}", server.addr.port());
        let client = logging(&["--forward", &target, "--transport.tls-client.alpn", "oap"])
            .args(&strs(&pki.trust()))
            .spawn();
        assert_eq!(
            round_trip(connect(client.addr), b"there and back"),
            b"there and back"
        );
        wait(&client, "relay", &[]);
        close(&server, "eof");
        let port = server.addr.port().to_string();
        expect("tls-client", &client.stop(), &[(&port, "PORT")]);

        let mut plain = connect(server.addr);
        plain.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        // The server sends an alert; the end may be a reset.
        let _ = plain.read_to_end(&mut Vec::new());
        reject(&server, "tls");
        assert!(refuses(server.addr));
        reject(&server, "timeout");
        pki.server("two");
        wait(&server, "reload", &["renewed"]);
        std::fs::write(pki.path("key.pem"), "no key").unwrap();
        wait(&server, "reload", &["rejected"]);
        expect("tls-server", &server.stop(), &[]);
    }

    #[test]
    fn start_fails() {
        let pki = Pki::new();
        let listen = pki.listen();
        let mut args = strs(&listen);
        args.extend(["--gateway.log.format", "json", "--admin", ""]);
        args.extend(["--transport.bind-addr", "127.0.0.1:0"]);
        let (code, log, _) = run(&args, &[]);
        assert_eq!(code, 2);
        expect("tls-fails", &log, &[]);
    }
}

#[cfg(feature = "uds")]
mod uds {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn uds() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        let path = dir.path().join("socket");
        let uid = std::fs::metadata("/proc/self").unwrap().uid();
        let (own, other) = (uid.to_string(), (uid + 1).to_string());
        let mut log = String::new();
        for allowed in [&own, &other] {
            let args = [
                "--transport.backend",
                "uds",
                "--transport.uds.path",
                path.to_str().unwrap(),
            ];
            let gateway = logging(&args)
                .args(&["--transport.uds.allow-uids", allowed])
                .unbound()
                .spawn();
            let stream = UnixStream::connect(&path).unwrap();
            stream
                .set_read_timeout(Some(crate::common::PATIENCE))
                .unwrap();
            if *allowed == own {
                stream.shutdown(std::net::Shutdown::Write).unwrap();
                close(&gateway, "eof");
            } else {
                reject(&gateway, "uid_denied");
            }
            log += &gateway.stop();
            log += "\n";
        }
        let equal = [
            (dir.path().to_str().unwrap(), "DIR"),
            (&format!("uid:{uid}"), "uid:OWN"),
        ];
        expect("uds", &log, &equal);
    }
}

#[cfg(feature = "uds")]
#[test]
fn cancel() {
    let place = crate::admin_socket::Place::new();
    let addr = place.addr();
    let gateway = logging(&[]).admin(&addr).spawn();
    let mut client = connect(gateway.addr);
    assert!(echoes(&mut client));
    let id = place.open()[0];
    let answer = place.request("POST", &format!("/connections/{id}/cancel"));
    assert_eq!(answer.status, 200);
    close(&gateway, "cancelled");
    wait(&gateway, "echo", &[]);
    expect("cancel", &gateway.stop(), &[(&addr, "ADMIN")]);
}
