//! TLS: start, invalid files, rotation and forwarding.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use rustix::process::Signal;

use crate::common::{connect, pattern, round_trip, run, Gateway, Pki, Start};

fn strs(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}

/// Returns the result of `dial` to a gateway.
fn dial(pki: &Pki, gateway: &Gateway, more: &[&str]) -> (i32, String, String) {
    let target = format!("tls://localhost:{}", gateway.addr.port());
    let trust = pki.trust();
    let mut args = vec!["dial", target.as_str()];
    args.extend(strs(&trust));
    args.extend(more);
    run(&args, &[])
}

fn start(pki: &Pki) -> Start {
    Start::default().args(&strs(&pki.listen()))
}

#[test]
fn runbook_start_serves_tls() {
    let pki = Pki::new();
    pki.server("one");
    let file = pki.path("Config.toml");
    fs::write(&file, "[transport]\n").unwrap();
    let free = TcpListener::bind("0.0.0.0:0").unwrap();
    let bind = free.local_addr().unwrap().to_string();
    drop(free);
    let gateway = Start::default()
        .unbound()
        .args(&["--config", file.to_str().unwrap()])
        .env("RON_TRANSPORT_BACKEND", "tls")
        .env("RON_TRANSPORT_BIND_ADDR", &bind)
        .env("RON_TRANSPORT_MAX_CONNS", "2048")
        .env("RON_TRANSPORT_READ_TIMEOUT", "5s")
        .env("RON_TRANSPORT_WRITE_TIMEOUT", "5s")
        .env("RON_TRANSPORT_IDLE_TIMEOUT", "60s")
        .env("RON_TRANSPORT_TLS_ENABLED", "true")
        .env("RON_TRANSPORT_TLS_CERT_PATH", &pki.file("cert.pem"))
        .env("RON_TRANSPORT_TLS_KEY_PATH", &pki.file("key.pem"))
        .spawn();
    assert_eq!(gateway.get("/readyz").status, 200);
    let (code, out, errors) = dial(&pki, &gateway, &[]);
    assert_eq!(code, 0, "{errors}");
    assert!(out.contains("kx         x25519"), "{out}");
    gateway.wait_metric(
        "tls_handshakes_total{kx=\"x25519\",resumed=\"no\",result=\"ok\"}",
        1,
    );
    let expiry = gateway.metric("tls_certificate_expiry_timestamp_seconds");
    assert!(expiry > 1.7e9, "{expiry}");
    let ready = |line: &&str| line.contains("event=ready");
    assert_eq!(
        gateway.stop().lines().filter(ready).count(),
        3,
        "ready, draining, stopped"
    );
}

#[test]
fn unusable_files_exit_with_2_and_reason() {
    let pki = Pki::new();
    pki.server("one");
    let listen = pki.listen();
    let mut args = strs(&listen);
    args.extend(["--transport.bind-addr", "127.0.0.1:0", "--admin", ""]);
    let key = pki.path("key.pem");
    let mode = |mode| fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
    let refused = |text: &str| {
        let (code, log, errors) = run(&args, &[]);
        assert_eq!(code, 2, "{errors}");
        assert!(errors.contains(text), "{errors}");
        assert!(
            log.contains("NotReady") && log.contains("reason=tls"),
            "{log}"
        );
        assert!(!log.contains("state=Ready"), "{log}");
        for said in [&log, &errors] {
            assert!(!said.contains("key.pem"), "{said}");
        }
    };
    mode(0o640);
    refused("insecure permissions");
    mode(0o600);
    let (other_cert, other_key) = pki.issue("localhost", "two");
    fs::write(&key, other_key).unwrap();
    refused("tls key read failed");
    fs::remove_file(&key).unwrap();
    refused("tls key read failed");
    pki.server("three");
    fs::write(pki.path("cert.pem"), &other_cert[..40]).unwrap();
    refused("tls cert read failed");
    let (code, _, errors) = run(&["check", "--transport.backend", "tls"], &[]);
    assert_eq!(code, 2);
    let named = errors.contains("transport.tls.cert_path, transport.tls.key_path");
    assert!(named, "{errors}");
}

#[test]
fn renewed_pair_is_loaded_and_invalid_is_not() {
    let pki = Pki::new();
    pki.server("one");
    let gateway = start(&pki).spawn();
    let expiry = || gateway.metric("tls_certificate_expiry_timestamp_seconds");
    let before = expiry();
    assert_eq!(dial(&pki, &gateway, &[]).0, 0);
    // The content is compared every two seconds.
    pki.server("two");
    gateway.line_with(&["event=reload", "result=ok", "tls files were renewed"]);
    assert_eq!(dial(&pki, &gateway, &[]).0, 0);
    // A key that does not match is reported, and the earlier pair stays in use.
    let (cert, _) = pki.issue("localhost", "three");
    fs::write(pki.path("cert.pem"), cert).unwrap();
    gateway.line_with(&["event=reload", "result=rejected", "tls key read failed"]);
    assert_eq!(dial(&pki, &gateway, &[]).0, 0);
    gateway.signal(Signal::HUP);
    gateway.wait_metric("transport_reloads_total{result=\"rejected\"}", 2);
    pki.server("four");
    gateway.signal(Signal::HUP);
    gateway.line_with(&["event=reload", "result=ok", "keys"]);
    assert_eq!(dial(&pki, &gateway, &[]).0, 0);
    assert!(
        (expiry() - before).abs() < f64::EPSILON,
        "all are valid as long"
    );
    gateway.stop();
}

/// The Unix time of the first day of 2080, and of 2090.
const CRL_ENDS: [f64; 2] = [3_471_292_800.0, 3_786_912_000.0];

#[test]
fn crl_expiry_is_exported_and_follows_renewal() {
    let pki = Pki::new();
    pki.server("one");
    let expiry = |gateway: &Gateway| gateway.metric("tls_crl_expiry_timestamp_seconds");
    let without = start(&pki).spawn();
    assert!(expiry(&without).abs() < f64::EPSILON);
    let (ca, crl) = (pki.file("ca.pem"), pki.crl_until(2080));
    let gateway = start(&pki)
        .args(&["--transport.tls.client-auth", "required"])
        .args(&["--transport.tls.client-ca-path", &ca])
        .args(&["--transport.tls.crl-path", &crl])
        .spawn();
    assert!((expiry(&gateway) - CRL_ENDS[0]).abs() < f64::EPSILON);
    pki.crl_until(2090);
    gateway.line_with(&["event=reload", "result=ok", "tls files were renewed"]);
    assert!((expiry(&gateway) - CRL_ENDS[1]).abs() < f64::EPSILON);
}

#[test]
fn tls_is_terminated_originated_and_both() {
    let pki = Pki::new();
    pki.server("one");
    let trust = pki.trust();
    let echo = Gateway::start(&[]);
    let tcp = format!("tcp://{}", echo.addr);
    let terminating = start(&pki).args(&["--forward", &tcp]).spawn();
    let tls = format!("tls://localhost:{}", terminating.addr.port());
    let both = start(&pki)
        .args(&["--forward", &tls])
        .args(&strs(&trust))
        .spawn();
    let tls = format!("tls://localhost:{}", both.addr.port());
    let originating = Start::default()
        .args(&["--forward", &tls, "--transport.pq.mode", "hybrid"])
        .args(&strs(&trust))
        .spawn();
    let sent = pattern(3 << 20);
    assert!(round_trip(connect(originating.addr), &sent) == sent);
    for gateway in [originating, both, terminating, echo] {
        gateway.wait_metric("conn_inflight{backend=\"tls\"}", 0);
        gateway.stop();
    }
}

/// A dial has no handshake event.
///
/// Its own event has the negotiated values.
#[test]
fn dial_event_has_alpn_and_key_exchange() {
    let pki = Pki::new();
    pki.server("one");
    let upstream = start(&pki)
        .args(&["--transport.tls.alpn", "oap/1,http/1.1"])
        .spawn();
    let tls = format!("tls://localhost:{}", upstream.addr.port());
    let front = Start::default()
        .args(&["--forward", &tls, "--gateway.log.level", "debug"])
        .args(&["--transport.tls-client.alpn", "http/1.1"])
        .args(&strs(&pki.trust()))
        .spawn();
    assert_eq!(round_trip(connect(front.addr), b"hello"), b"hello");
    let dial = front.line_with(&["event=dial"]);
    assert!(dial.contains(" alpn=http/1.1 kx=x25519"), "{dial}");
    front.stop();
    upstream.stop();
}

#[test]
fn unusable_trust_store_fails_the_start() {
    let pki = Pki::new();
    let trust = pki.trust();
    fs::remove_file(pki.path("ca.pem")).unwrap();
    let mut args = strs(&trust);
    args.extend(["--transport.bind-addr", "127.0.0.1:0", "--admin", ""]);
    args.extend(["--forward", "tls://localhost:1"]);
    let (code, _, errors) = run(&args, &[]);
    assert_eq!(code, 2, "{errors}");
    assert!(errors.contains("tls_client.ca_bundle_path"), "{errors}");
}

#[test]
fn dev_tls_certificate_is_trusted_as_printed() {
    let pki = Pki::new();
    let gateway = Gateway::start(&["--dev-tls", "--transport.pq.mode", "required"]);
    let printed = gateway.error_with("To trust it");
    let from = printed.find("-----BEGIN").unwrap();
    let to = printed.find("To trust it").unwrap();
    fs::write(pki.path("ca.pem"), &printed[from..to]).unwrap();
    let (code, out, errors) = dial(&pki, &gateway, &["--transport.pq.mode", "hybrid"]);
    assert_eq!(code, 0, "{errors}");
    assert!(out.contains("kx         x25519mlkem768"), "{out}");
    let (code, _, errors) = dial(&pki, &gateway, &[]);
    assert_eq!(code, 1);
    assert!(errors.contains("tls: "), "{errors}");
    gateway.wait_metric("rejected_total{reason=\"tls\"}", 1);
    gateway.signal(Signal::TERM);
    assert_eq!(gateway.wait().0.code(), Some(0));
}

/// A server may reject a client certificate late.
///
/// In TLS 1.3 the client has completed its handshake by then.
#[test]
fn post_handshake_alert_is_logged() {
    let pki = Pki::new();
    pki.server("one");
    let (trust, ca) = (pki.trust(), pki.file("ca.pem"));
    let wanting = ["--transport.tls.client-auth", "required"];
    let asking = start(&pki)
        .args(&wanting)
        .args(&["--transport.tls.client-ca-path", &ca])
        .spawn();
    let tls = format!("tls://localhost:{}", asking.addr.port());
    let forward = Start::default()
        .args(&["--forward", &tls])
        .args(&strs(&trust))
        .spawn();
    let mut client = connect(forward.addr);
    assert!(crate::common::ended(&mut client));
    let close = forward.line_with(&["event=close", "backend=tls", "reason=error"]);
    assert!(close.contains("certificate_required"), "{close}");
    asking.line_with(&["event=reject", "reason=tls"]);
    forward.stop();
    asking.stop();
}

#[test]
fn chain_out_of_order_is_served_with_a_warning() {
    let pki = Pki::new();
    let (cert, key) = pki.issue("localhost", "one");
    let authority = fs::read_to_string(pki.path("ca.pem")).unwrap();
    pki.write_pair(&(authority.clone() + &cert), &key);
    let gateway = start(&pki).spawn();
    let warning = [
        "level=warn",
        "event=certificate",
        "setting=tls.cert_path",
        "out of order",
    ];
    gateway.line_with(&warning);
    assert_eq!(dial(&pki, &gateway, &[]).0, 0);
    pki.write_pair(&(cert + &Pki::new().issue("x", "x").0), &key);
    gateway.signal(Signal::HUP);
    gateway.line_with(&["event=certificate", "setting=tls.cert_path", "unrelated=1"]);
    assert_eq!(dial(&pki, &gateway, &[]).0, 0);
}

/// Names, ALPN and targets with terminal control characters, in successes and failures.
#[test]
fn dial_prints_hostile_names_escaped() {
    let pki = Pki::new();
    let hostile = [
        "\u{1b}]0;owned\u{7}.example",
        "x\nts=2026 level=error",
        "\u{7f}\u{1b}[31m",
    ];
    let (alpn, flag) = ("\u{1b}[2Jx", "--transport.tls-client.alpn");
    let serve = |names: &[&str]| {
        let (cert, key) = pki.issue_for(names);
        pki.write_pair(&cert, &key);
        start(&pki).args(&["--transport.tls.alpn", alpn]).spawn()
    };
    let clean = |texts: [&str; 2]| {
        for c in texts.iter().flat_map(|text| text.chars()) {
            assert!(c == '\n' || !c.is_control(), "{texts:?}");
        }
    };
    let gateway = serve(&[&["localhost"][..], &hostile].concat());
    let (code, out, errors) = dial(&pki, &gateway, &[flag, alpn]);
    clean([&out, &errors]);
    assert_eq!(code, 0, "{errors}");
    assert!(out.contains("\nalpn       \\u001b[2Jx\n"), "{out}");
    // An invalid name is not part of an identity.
    assert!(out.contains("\nidentity   localhost\n"), "{out}");
    drop(gateway);
    let gateway = serve(&hostile);
    let (code, out, errors) = dial(&pki, &gateway, &[flag, alpn]);
    clean([&out, &errors]);
    assert!(
        code == 1 && errors.contains(r"\u001b]0;owned\u0007.example"),
        "{errors}"
    );
    assert_eq!(errors.lines().count(), 1, "{errors}");
    let (code, out, errors) = run(&["dial", "tcp://\u{1b}[31m\u{202e}x:1"], &[]);
    clean([&out, &errors]);
    assert!(
        code == 2 && errors.contains(r"\u001b[31m\u202ex"),
        "{errors}"
    );
}
