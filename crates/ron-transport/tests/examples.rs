//! Runs every example and checks its output. The examples assert their own behaviour, too.
#![allow(clippy::unwrap_used, missing_docs)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The program of an example, which cargo builds beside this test.
fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(|deps| deps.parent()).unwrap();
    let program = profile.join("examples").join(name);
    assert!(
        program.is_file(),
        "{} is missing: build it with `cargo build --examples`",
        program.display()
    );
    program
}

/// Runs an example to its end and returns its standard output.
fn output(mut command: Command) -> String {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{errors}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

fn run(name: &str) -> String {
    output(Command::new(program(name)))
}

#[test]
fn echo_answers_until_it_is_killed() {
    let mut command = Command::new(program("echo"));
    command.arg("127.0.0.1:0").stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    let addr = line.trim().strip_prefix("echo on ").unwrap();
    let mut client = TcpStream::connect(addr).unwrap();
    client.write_all(b"hello").unwrap();
    let mut answer = [0; 5];
    let answered = client.read_exact(&mut answer);
    child.kill().unwrap();
    child.wait().unwrap();
    answered.unwrap();
    assert_eq!(&answer, b"hello");
}

#[test]
fn frames_are_answered() {
    let out = run("frames");
    assert_eq!(out, "0 bytes\n10 bytes\n1048576 bytes\naborted 0\n");
}

#[test]
fn relay_passes_bytes_both_ways() {
    let out = run("relay");
    assert!(out.contains("relayed 17 and 17 bytes"), "{out}");
    assert!(out.contains("answer \"through the relay\""), "{out}");
}

#[test]
fn own_accept_loop_counts_its_bytes() {
    assert_eq!(run("own_accept_loop"), "15 bytes in 3 connections\n");
}

#[test]
fn custom_observer_counts_a_refusal() {
    let out = run("custom_observer");
    assert!(out.starts_with("rejected: conn_limit\n"), "{out}");
}

#[test]
fn custom_backend_is_guarded_and_drained() {
    let out = run("custom_backend");
    assert!(out.contains("listening on bus"), "{out}");
    assert!(out.contains("backend bus: echoed"), "{out}");
    assert!(out.contains("second connection: 0 bytes"), "{out}");
    assert!(
        out.contains("bus://printer: cannot connect to printer"),
        "{out}"
    );
    assert!(out.contains("scheme \"can\" has no dialer"), "{out}");
    assert!(out.contains("aborted 0"), "{out}");
}

#[test]
fn own_metrics_has_prefix_and_name() {
    assert_eq!(
        run("own_metrics"),
        "myapp_transport_accepts_total{transport=\"public\",backend=\"tcp\"} 3\n\
         ended in order: 3\n"
    );
}

#[test]
fn opentelemetry_has_the_buckets() {
    let out = run("opentelemetry");
    assert_eq!(
        out,
        "handshake_latency_seconds 3 [0.01, 0.025, 0.05, 0.08, 0.1, 0.2, 0.25, 0.5, 1.0, 2.0, \
         5.0, 10.0]\nbytes_in_total 15\n"
    );
}

#[cfg(all(feature = "tls", feature = "uds", feature = "prometheus"))]
#[test]
fn two_transports_share_a_cap() {
    let out = run("two_transports");
    let text = "open 2\nmax_conns 1000\npublic NotReady(\"stopped\")\nprivate Ready\n";
    assert!(out.starts_with(text), "{out}");
    for name in ["public", "private"] {
        let series = format!("{{transport=\"{name}\",reason=\"conn_limit\"}} 1\n");
        assert!(out.contains(&series), "{out}");
    }
}

#[test]
fn embedding_page_has_programs() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("../../docs/EMBEDDING.md")).unwrap();
    for name in [
        "two_transports.rs",
        "own_metrics.rs",
        "opentelemetry/bridge.rs",
        "opentelemetry/main.rs",
    ] {
        let program = std::fs::read_to_string(root.join("examples").join(name)).unwrap();
        assert!(
            page.contains(&program),
            "{name}: copy the example to the page"
        );
    }
}

#[test]
fn schema_prints_a_table() {
    let mut command = Command::new(program("schema"));
    command.arg("config");
    let out = output(command);
    assert!(out.contains("| `max_conns` |"), "{out}");
}

#[cfg(feature = "tls")]
#[test]
fn tls_refuses_a_wrong_name() {
    let out = run("tls");
    assert!(out.contains("answer \"hello\""), "{out}");
    assert!(out.contains("key exchange x25519"), "{out}");
    assert!(out.contains("refused: tls: "), "{out}");
}

#[cfg(feature = "tls")]
#[test]
fn mtls_serves_only_the_allowed_name() {
    let out = run("mtls");
    assert!(out.contains("client.example: [DnsName("), "{out}");
    assert!(out.contains("no certificate: refused"), "{out}");
    assert!(out.contains("other.example: refused"), "{out}");
}

#[cfg(feature = "uds")]
#[test]
fn unix_reports_the_user_id() {
    let out = run("unix");
    assert!(out.contains("peer Uid("), "{out}");
}

/// With relays that refuse every connection, so that nothing leaves this machine.
#[cfg(feature = "arti")]
#[test]
fn tor_without_a_network_is_refused() {
    let identity = "0".repeat(40);
    let network = format!(
        "[tor_network]\nauthorities = {{ v3idents = [\"{identity}\"] }}\n\
         fallback_caches = [{{ rsa_identity = \"{identity}\", ed_identity = \"{}\", \
         orports = [\"127.0.0.1:1\"] }}]\n",
        "A".repeat(43)
    );
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nowhere.toml");
    std::fs::write(&path, network).unwrap();
    let mut command = Command::new(program("tor"));
    command
        .env("RON_TRANSPORT_ARTI_CONFIG_PATH", path)
        .env("RON_TRANSPORT_ARTI_BOOTSTRAP_TIMEOUT", "1s");
    let out = output(command);
    assert!(out.contains("tor: Degraded(\"arti_bootstrap\")"), "{out}");
    assert!(out.contains("dialing tor://<hidden>"), "{out}");
    assert!(out.contains("refused: arti_bootstrap"), "{out}");
}
