//! Runs the examples against foreign clients: curl, gRPC and WebSockets of Python.
//!
//! The Python clients need the packages `grpcio` and `websockets`; `RON_TEST_PYTHON` names another
//! interpreter. A test without its client prints "skipped".
#![cfg(all(feature = "hyper", feature = "tonic", feature = "tower"))]
#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use transport_testkit::pki::{Authority, PkiDir};

/// The program of an example, which cargo builds beside this test.
fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let program = profile.join("examples").join(name);
    assert!(
        program.is_file(),
        "{} is missing: build it with `cargo build --examples --all-features`",
        program.display()
    );
    program
}

/// A running example.
struct Server {
    child: Child,
    stdout: BufReader<ChildStdout>,
    /// The address or the path that it listens on.
    at: String,
}

impl Server {
    fn start(name: &str, settings: &[(&str, &str)]) -> Self {
        let mut command = Command::new(program(name));
        if !settings.contains(&("RON_TRANSPORT_BACKEND", "uds")) {
            command.env("RON_TRANSPORT_BIND_ADDR", "127.0.0.1:0");
        }
        command
            .envs(settings.iter().copied())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let at = line
            .trim()
            .strip_prefix("listening on ")
            .unwrap()
            .to_owned();
        Self { child, stdout, at }
    }

    fn port(&self) -> &str {
        self.at.rsplit(':').next().unwrap()
    }

    /// Sends SIGTERM and returns the last line of the example.
    fn terminate(mut self) -> String {
        let pid = self.child.id().to_string();
        let kill = Command::new("kill").arg(pid).status().unwrap();
        assert!(kill.success());
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        assert!(self.child.wait().unwrap().success());
        rest
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a client; `None` if the machine has no such client.
fn client(mut command: Command) -> Option<String> {
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => {
            println!("skipped: {:?}: {error}", command.get_program());
            return None;
        }
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    if errors.contains("ModuleNotFoundError") {
        println!("skipped: {}", errors.lines().last().unwrap());
        return None;
    }
    assert!(output.status.success(), "{command:?}: {errors}");
    Some(String::from_utf8(output.stdout).unwrap())
}

fn curl(args: &[&str]) -> Option<String> {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--fail", "--max-time", "20"]);
    command.args(args);
    client(command)
}

fn python(script: &str, args: &[&str]) -> Option<String> {
    let python = std::env::var("RON_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let mut command = Command::new(python);
    command.args(["-c", script]).args(args);
    client(command)
}

fn hyper_client(args: &[&str], settings: &[(&str, &str)]) -> String {
    let mut command = Command::new(program("hyper_client"));
    command.args(args).envs(settings.iter().copied());
    client(command).unwrap()
}

/// Certificates, and the settings of a server and its client.
struct Pki {
    dir: PkiDir,
    server: Vec<(&'static str, String)>,
    client: Vec<(&'static str, String)>,
}

impl Pki {
    fn new() -> Self {
        let (dir, authority) = (PkiDir::new(), Authority::new());
        dir.write("ca.pem", &authority.pem());
        dir.write_pair("localhost", &authority.leaf(&["localhost"]));
        dir.write_pair("client", &authority.leaf(&["client.example"]));
        let file = |name: &str| dir.path(name).display().to_string();
        let server = vec![
            ("RON_TRANSPORT_BACKEND", "tls".to_owned()),
            ("RON_TRANSPORT_TLS_CERT_PATH", file("localhost.pem")),
            ("RON_TRANSPORT_TLS_KEY_PATH", file("localhost.key")),
            ("RON_TRANSPORT_TLS_ALPN", "h2,http/1.1".to_owned()),
            ("RON_TRANSPORT_TLS_CLIENT_AUTH", "optional".to_owned()),
            ("RON_TRANSPORT_TLS_CLIENT_CA_PATH", file("ca.pem")),
        ];
        let client = vec![
            ("RON_TRANSPORT_TLS_CLIENT_TRUST_STORE", "path".to_owned()),
            ("RON_TRANSPORT_TLS_CLIENT_CA_BUNDLE_PATH", file("ca.pem")),
            ("RON_TRANSPORT_TLS_CLIENT_ALPN", "h2".to_owned()),
            ("RON_TRANSPORT_TLS_CLIENT_CERT_PATH", file("client.pem")),
            ("RON_TRANSPORT_TLS_CLIENT_KEY_PATH", file("client.key")),
        ];
        Self {
            dir,
            server,
            client,
        }
    }

    fn file(&self, name: &str) -> String {
        self.dir.path(name).display().to_string()
    }
}

fn borrowed<'a>(settings: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    settings
        .iter()
        .map(|(key, value)| (*key, value.as_str()))
        .collect()
}

#[test]
fn embedding_page_has_programs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("../../docs/EMBEDDING.md")).unwrap();
    for name in ["axum", "axum_serve", "tonic", "hyper_client", "websocket"] {
        let program = root.join(format!("examples/{name}.rs"));
        let program = fs::read_to_string(program).unwrap();
        assert!(
            page.contains(&program),
            "{name}: copy the example to the page"
        );
    }
}

#[test]
fn axum_answers_curl_over_tcp() {
    let server = Server::start("axum", &[]);
    let uri = format!("http://{}/", server.at);
    if let Some(out) = curl(&[&uri, &uri]) {
        assert_eq!(out, "hello\nhello\n");
    }
    if let Some(out) = curl(&["--http2-prior-knowledge", &uri]) {
        assert_eq!(out, "hello\n");
    }
    if let Some(out) = curl(&["--data", "text", &format!("{uri}echo")]) {
        assert_eq!(out, "text");
    }
    assert_eq!(hyper_client(&[&uri], &[]), "HTTP/1.1 200 OK\nhello\n");
    assert_eq!(server.terminate(), "aborted 0\n");
}

#[test]
fn axum_answers_curl_over_tls() {
    let pki = Pki::new();
    let server = Server::start("axum", &borrowed(&pki.server));
    let uri = format!("https://localhost:{}/who", server.port());
    let ca = pki.file("ca.pem");
    let (cert, key) = (pki.file("client.pem"), pki.file("client.key"));
    let version = ["--write-out", "%{http_version}", "--cacert", &ca];
    for (protocol, expected) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let identity = ["--cert", &cert, "--key", &key, protocol, &uri];
        if let Some(out) = curl(&[&version[..], &identity].concat()) {
            let names = "Some([DnsName(\"client.example\")])\n";
            assert_eq!(out, format!("{names}{expected}"));
        }
    }
    let out = hyper_client(&[&uri], &borrowed(&pki.client));
    assert!(out.starts_with("HTTP/2.0 200 OK\n"), "{out}");
    assert!(out.contains("client.example"), "{out}");
    assert_eq!(server.terminate(), "aborted 0\n");
}

#[test]
fn axum_serve_answers_curl_over_tls() {
    let pki = Pki::new();
    let server = Server::start("axum_serve", &borrowed(&pki.server));
    let uri = format!("https://localhost:{}/who", server.port());
    let ca = pki.file("ca.pem");
    let (cert, key) = (pki.file("client.pem"), pki.file("client.key"));
    let identity = ["--cacert", &ca, "--cert", &cert, "--key", &key];
    if let Some(out) = curl(&[&identity[..], &["--http1.1", &uri]].concat()) {
        assert_eq!(out, "[DnsName(\"client.example\")]\n");
    }
    assert_eq!(server.terminate(), "aborted 0\n");
}

#[test]
fn axum_answers_curl_over_unix_socket() {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let uid = fs::metadata(dir.path()).unwrap().uid().to_string();
    let socket = dir.path().join("sock").display().to_string();
    let mut settings = vec![("RON_TRANSPORT_BACKEND", "uds")];
    settings.push(("RON_TRANSPORT_UDS_PATH", &socket));
    settings.push(("RON_TRANSPORT_UDS_ALLOW_UIDS", &uid));
    let server = Server::start("axum", &settings);
    if let Some(out) = curl(&["--unix-socket", &socket, "http://localhost/"]) {
        assert_eq!(out, "hello\n");
    }
    let out = hyper_client(&["http://localhost/", &socket], &[]);
    assert_eq!(out, "HTTP/1.1 200 OK\nhello\n");
    assert_eq!(server.terminate(), "aborted 0\n");
}

#[test]
fn tonic_answers_grpc_of_python() {
    const CALLS: &str = r#"
import sys, grpc
channel = grpc.insecure_channel(sys.argv[1])
hello = channel.unary_unary("/demo.Greeter/Hello")
print(hello(b"python", timeout=20).decode())
count = channel.unary_stream("/demo.Greeter/Count")
print(b" ".join(count(b"", timeout=20)).decode())
"#;
    let server = Server::start("tonic", &[]);
    if let Some(out) = python(CALLS, &[&server.at]) {
        assert_eq!(out, "hello python, []\n1 2 3 4 5 6 7 8 9 10\n");
    }
    assert_eq!(server.terminate(), "aborted 0\n");
}

#[test]
fn tonic_sees_identity_of_python_client() {
    const CALL: &str = r#"
import sys, grpc
ca, cert, key = (open(path, "rb").read() for path in sys.argv[2:])
credentials = grpc.ssl_channel_credentials(ca, key, cert)
channel = grpc.secure_channel(sys.argv[1], credentials)
hello = channel.unary_unary("/demo.Greeter/Hello")
print(hello(b"python", timeout=20).decode())
"#;
    let pki = Pki::new();
    let server = Server::start("tonic", &borrowed(&pki.server));
    let to = format!("localhost:{}", server.port());
    let files = ["ca.pem", "client.pem", "client.key"].map(|name| pki.file(name));
    if let Some(out) = python(CALL, &[&to, &files[0], &files[1], &files[2]]) {
        assert_eq!(out, "hello python, [DnsName(\"client.example\")]\n");
    }
    assert_eq!(server.terminate(), "aborted 0\n");
}

#[test]
fn websocket_echoes_messages_of_python() {
    const MESSAGES: &str = r#"
import os, signal, sys
from websockets.sync.client import connect
from websockets.exceptions import ConnectionClosed
with connect(f"ws://{sys.argv[1]}/echo") as socket:
    for message in ["text", b"bytes" * 1000]:
        socket.send(message)
        assert socket.recv(timeout=20) == message
    os.kill(int(sys.argv[2]), signal.SIGTERM)
    try:
        socket.recv(timeout=20)
    except ConnectionClosed:
        print("closed")
"#;
    let mut server = Server::start("websocket", &[]);
    let pid = server.child.id().to_string();
    if let Some(out) = python(MESSAGES, &[&server.at, &pid]) {
        assert_eq!(out, "closed\n");
        let mut rest = String::new();
        server.stdout.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "aborted 0\n");
    } else {
        assert_eq!(server.terminate(), "aborted 0\n");
    }
}
