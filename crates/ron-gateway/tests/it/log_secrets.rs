//! No secret is logged at any level, nor written to stderr.
//!
//! Secrets are keys in any form, their paths, payload of peers, and onion names.

use std::io::{Read, Write};

use rustix::process::Signal;

use crate::common::{connect, ended, refuses, run, Gateway, Start};

const ONION: &str = "vww6ybal4bd7szmgncyruucpgfkqahzddi37ktceo3ah7ngmcopnpyyd";

fn logging(args: &[&str]) -> Start {
    let json = [
        "--gateway.log.format",
        "json",
        "--gateway.log.level",
        "trace",
    ];
    Start::default().args(&json).args(args)
}

/// Stops the gateway and returns all of its output.
fn everything(gateway: Gateway) -> String {
    gateway.signal(Signal::TERM);
    let (_, log, errors) = gateway.wait();
    log + "\n" + &errors
}

/// Returns whether a text contains part of these bytes.
///
/// They may be raw, in hexadecimal, or numbers in a list.
fn holds(text: &str, secret: &[u8]) -> bool {
    secret.windows(8).any(|part| {
        let hex: String = part.iter().map(|byte| format!("{byte:02x}")).collect();
        let list: Vec<_> = part.iter().map(u8::to_string).collect();
        let raw = String::from_utf8_lossy(part);
        text.contains(&*raw)
            || text.to_lowercase().contains(&hex)
            || text.contains(&list.join(", "))
    })
}

#[test]
fn payload_of_peers_is_not_logged() {
    // A bearer token and a cookie, in a valid frame and in an oversized one.
    let token = b"Authorization: Bearer 9f8e7d6c5b4a-token; Cookie: session=q1w2e3r4";
    let gateway = logging(&["--echo-frames"]).spawn();
    let length = u32::try_from(token.len()).unwrap().to_be_bytes();
    let mut conn = connect(gateway.addr);
    conn.write_all(&[&length[..], token].concat()).unwrap();
    conn.read_exact(&mut vec![0; token.len() + 4]).unwrap();
    conn.write_all(token).unwrap();
    gateway.line_with(&["\"reason\":\"too_large\""]);
    let said = everything(gateway);
    assert!(!holds(&said, token), "{said}");
    assert!(holds(&format!("{token:?}"), token) && holds("a 9f8e7d6c5b4a b", token));
}

#[test]
fn onion_names_are_not_logged() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("gateway.toml");
    let write = |target: &str| {
        let text = format!("[gateway]\nmode = 'forward'\nforward_to = '{target}'\n");
        std::fs::write(&file, text).unwrap();
    };
    write(&format!("tcp://{ONION}.onion:80"));
    let gateway = logging(&["--config", file.to_str().unwrap()]).spawn();
    assert!(refuses(gateway.addr));
    gateway.line_with(&["\"reason\":\"upstream\"", "onion name"]);
    gateway.line_with(&["\"event\":\"start\"", "tcp://<hidden>"]);
    // Accepted, rejected as one that this build cannot dial or as the first one over Tor, and
    // rejected as invalid.
    for (target, result, n) in [
        ("tcp://sub.{}.onion:80", "ok", 1),
        ("tor://{}.ONION:80", "rejected", 1),
        ("{}.onion", "rejected", 2),
    ] {
        write(&target.replace("{}", ONION));
        gateway.signal(Signal::HUP);
        gateway.wait_metric(
            &format!("transport_reloads_total{{result=\"{result}\"}}"),
            n,
        );
    }
    for path in [
        "/",
        "/status",
        "/status/metrics.json",
        "/status/config.json",
        "/metrics",
    ] {
        assert!(
            !gateway.get(path).body.to_lowercase().contains(ONION),
            "{path}"
        );
    }
    let said = everything(gateway);
    assert!(!said.to_lowercase().contains(&ONION[..16]), "{said}");
}

#[cfg(feature = "tls")]
mod tls {
    use super::*;
    use crate::common::{ended, round_trip, Pki};

    /// Returns the encoded lines of a PEM file.
    fn text_of(pem: &str) -> Vec<&str> {
        let lines = pem.lines().filter(|line| !line.starts_with("-----"));
        lines.collect()
    }

    #[test]
    fn keys_and_their_paths_are_not_logged() {
        let pki = Pki::new();
        // A name that makes any part of the path detectable.
        let place = pki.path("sekret-place");
        std::fs::create_dir(&place).unwrap();
        let (cert, key) = pki.issue("localhost", "one");
        let pair = [(place.join("c.pem"), &cert), (place.join("k.pem"), &key)];
        let write = |path: &std::path::Path, text: &str| {
            use std::os::unix::fs::OpenOptionsExt;
            let mut options = std::fs::OpenOptions::new();
            let file = options
                .create(true)
                .write(true)
                .truncate(true)
                .mode(0o600)
                .open(path);
            file.unwrap().write_all(text.as_bytes()).unwrap();
        };
        for (path, text) in &pair {
            write(path, text);
        }
        let certificate = pki.file("cert.pem");
        write(pki.path("cert.pem").as_path(), &cert);
        let key_path = pair[1].0.to_str().unwrap();
        let server = logging(&[
            "--transport.backend",
            "tls",
            "--transport.tls.cert-path",
            &certificate,
        ])
        .args(&[
            "--transport.tls.key-path",
            key_path,
            "--transport.handshake-timeout",
            "1s",
        ])
        .spawn();
        let target = format!("tls://localhost:{}", server.addr.port());
        let trust = pki.trust();
        let trust: Vec<&str> = trust.iter().map(String::as_str).collect();
        let client = logging(&[
            "--forward",
            &target,
            "--transport.tls-client.cert-path",
            &certificate,
        ])
        .args(&["--transport.tls-client.key-path", key_path])
        .args(&trust)
        .spawn();
        let token = b"Bearer 0123456789abcdef";
        assert_eq!(round_trip(connect(client.addr), token), token);
        let mut noise = connect(server.addr);
        noise.write_all(token).unwrap();
        assert!(ended(&mut noise) || noise.read(&mut [0; 64]).is_ok());
        // Unusable keys, one after the other: each is reported, none is named.
        for (n, bad) in [
            key.replace("PRIVATE KEY", "PRIVATE KEX"),
            key[..90].to_owned(),
            String::new(),
        ]
        .iter()
        .enumerate()
        {
            write(&pair[1].0, bad);
            for gateway in [&server, &client] {
                gateway.signal(Signal::HUP);
                let least = f64::from(u32::try_from(n).unwrap()) + 0.5;
                crate::common::wait_for("a rejected reload", || {
                    (gateway.metric("transport_reloads_total{result=\"rejected\"}") > least)
                        .then_some(())
                });
            }
        }
        let said = everything(client) + &everything(server);
        for secret in ["sekret-place", "k.pem", "-----BEGIN", "PRIVATE KE"] {
            assert!(!said.contains(secret), "{secret}: {said}");
        }
        for line in text_of(&key) {
            assert!(!holds(&said, line.as_bytes()), "{said}");
        }
        assert!(!holds(&said, token), "{said}");
        assert!(said.contains("tls key read failed"), "{said}");
    }
}

/// The password of `dial.via` is in no output.
#[test]
fn password_of_the_proxy_is_hidden() {
    let proxy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = proxy.local_addr().unwrap();
    let via = format!("http://dialer:pass-0123456789@{addr}");
    let args = ["--forward", "tcp://db.invalid:5432", "--transport.dial.via"];
    let args = [&args[..], &[&via]].concat();
    let gateway = logging(&args).spawn();
    let mut conn = connect(gateway.addr);
    let (mut stream, _) = proxy.accept().unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    let head = String::from_utf8(head).unwrap();
    assert!(
        head.starts_with("CONNECT db.invalid:5432 HTTP/1.1\r\n"),
        "{head}"
    );
    stream.write_all(b"HTTP/1.1 407 No\r\n\r\n").unwrap();
    gateway.line_with(&["\"event\":\"dial\"", "\"reason\":\"via\"", "status 407"]);
    assert!(ended(&mut conn) || conn.read(&mut [0; 64]).is_ok());
    let status = gateway.get("/status/config.json").body;
    assert!(status.contains(&format!("http://<set>@{addr}")), "{status}");
    let said = everything(gateway) + &status;
    let basic = head.split("Basic ").nth(1).unwrap().trim();
    for secret in ["dialer:", "pass-0123456789", basic] {
        assert!(!said.contains(secret), "{secret}: {said}");
    }

    let (_, checked, errors) = run(&[&["check"][..], &args].concat(), &[]);
    assert!(
        checked.contains(&format!("http://<set>@{addr}")),
        "{checked}{errors}"
    );
    let wrong = via.replace("http:", "https:");
    let (code, out, refused) = run(&["check", "--transport.dial.via", &wrong], &[]);
    assert!(
        code != 0 && refused.contains("transport.dial.via"),
        "{refused}"
    );
    for said in [checked, errors, out, refused] {
        assert!(!said.contains("pass-0123456789"), "{said}");
    }
}

/// A target that `dial.via` does not apply to fails `check`.
#[test]
fn target_that_evades_the_proxy_is_refused() {
    let via = ["check", "--transport.dial.via", "socks5://127.0.0.1:1080"];
    let to = ["--forward", "unix:///run/app/socket"];
    let (code, _, refused) = run(&[&via[..], &to].concat(), &[]);
    assert_ne!(code, 0);
    assert!(refused.contains("gateway.forward_to"), "{refused}");
    assert!(refused.contains("transport.dial.via"), "{refused}");
}
