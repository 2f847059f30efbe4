//! The admin endpoint on a Unix socket, for this user and root.
//!
//! Only there can connections be cancelled.
#![cfg(feature = "uds")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use rustix::process::Signal;
use serde_json::Value;

use crate::common::{
    aborted, command, connect, echoes, exchange, run, Gateway, Response, Start, PATIENCE,
};

/// A private directory for the socket.
pub(super) struct Place(tempfile::TempDir);

impl Place {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
        Self(dir)
    }

    fn socket(&self) -> PathBuf {
        self.0.path().join("admin")
    }

    pub(super) fn addr(&self) -> String {
        format!("unix:{}", self.socket().display())
    }

    pub(super) fn request(&self, method: &str, path: &str) -> Response {
        let mut stream = UnixStream::connect(self.socket()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        exchange(&mut stream, &request)
    }

    /// Returns the numbers of the open connections.
    pub(super) fn open(&self) -> Vec<u64> {
        let list: Value = serde_json::from_str(&self.request("GET", "/connections").body).unwrap();
        let entries = list["connections"].as_array().unwrap().iter();
        entries.map(|entry| entry["id"].as_u64().unwrap()).collect()
    }

    fn start(&self) -> Gateway {
        Start::default().admin(&self.addr()).spawn()
    }
}

#[test]
fn socket_is_private_and_removed_at_exit() {
    let place = Place::new();
    let gateway = place.start();
    let mode = fs::metadata(place.socket()).unwrap().mode();
    assert_eq!(mode & 0o7777, 0o600);
    for path in ["/readyz", "/metrics", "/", "/connections"] {
        assert_eq!(place.request("GET", path).status, 200, "{path}");
    }
    assert_eq!(place.request("HEAD", "/metrics").body, "");
    gateway.stop();
    assert!(!place.socket().exists());
}

#[test]
fn socket_of_a_killed_gateway_is_replaced() {
    let place = Place::new();
    let gateway = place.start();
    gateway.signal(Signal::KILL);
    let _ = gateway.wait();
    assert!(place.socket().exists());
    let next = place.start();
    assert_eq!(place.request("GET", "/readyz").status, 200);
    // A second gateway is rejected, and the first continues.
    let second = [
        "--admin",
        &place.addr(),
        "--transport.bind-addr",
        "127.0.0.1:0",
    ];
    let (code, _, errors) = run(&second, &[]);
    assert_eq!(code, 1, "{errors}");
    assert!(errors.contains("another process listens there"), "{errors}");
    assert_eq!(place.request("GET", "/readyz").status, 200);
    next.stop();
}

#[test]
fn open_directory_and_shared_path_rejected() {
    let place = Place::new();
    let (socket, addr) = (place.socket().display().to_string(), place.addr());
    let uds = [
        "--transport.backend",
        "uds",
        "--transport.uds.path",
        &socket,
    ];
    let uids = ["--transport.uds.allow-uids", "0", "--admin", &addr];
    let args: Vec<&str> = uds.into_iter().chain(uids).collect();
    let (code, _, errors) = run(&args, &[]);
    assert_eq!(code, 2, "{errors}");
    assert!(errors.contains("the transport listens there"), "{errors}");
    fs::set_permissions(place.0.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let (code, _, errors) = run(&["--admin", &addr], &[]);
    assert_eq!(code, 1, "{errors}");
    assert!(errors.contains("is open to others"), "{errors}");
    let (code, _, errors) = run(&["--admin", "unix:admin"], &[]);
    assert_eq!(code, 2, "{errors}");
    assert!(errors.contains("absolute path"), "{errors}");
}

#[test]
fn cancel_aborts_one_connection() {
    let place = Place::new();
    let gateway = place.start();
    // One after the other: several workers accept.
    let mut clients = [(); 2].map(|()| {
        let mut client = connect(gateway.addr);
        assert!(echoes(&mut client));
        client
    });
    let open = place.open();
    assert_eq!(open.len(), 2);
    let cancel = |id: &str| place.request("POST", &format!("/connections/{id}/cancel"));
    let answer = cancel(&open[0].to_string());
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, format!("{{\"cancelled\":{}}}\n", open[0]));
    let [first, second] = &mut clients;
    assert!(aborted(first));
    assert!(echoes(second));
    assert_eq!(place.open(), open[1..]);
    gateway.line_with(&["event=cancel", &format!("conn_id={}", open[0])]);
    gateway.line_with(&["event=close", "reason=cancelled"]);
    for id in [
        &open[0].to_string(),
        "0",
        "-1",
        "x",
        "",
        "99999999999999999999",
    ] {
        assert_eq!(cancel(id).status, 404, "{id}");
    }
    let path = format!("/connections/{}/cancel", open[1]);
    assert_eq!(place.request("GET", &path).status, 405);
    assert_eq!(place.request("POST", "/metrics").status, 405);
    assert!(echoes(second));
    gateway.stop();
}

/// A process of another user needs a capability to reach the socket.
#[test]
fn other_user_gets_no_response() {
    let has = |program: &str| command(program).arg("--version").output().is_ok();
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    if !is_root || !has("setpriv") || !has("curl") {
        eprintln!("SKIPPED: needs root, setpriv and curl");
        return;
    }
    let place = Place::new();
    let gateway = place.start();
    let ask = |words: &[&str]| {
        let mut setpriv = command("setpriv");
        setpriv.args(words).arg("--clear-groups").arg("curl");
        setpriv.args(["-s", "--unix-socket", place.socket().to_str().unwrap()]);
        let output = setpriv.arg("http://localhost/healthz").output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(ask(&["--reuid=0"]), "ok\n");
    assert_eq!(ask(&["--reuid=1001"]), "");
    let capable = [
        "--reuid=1001",
        "--inh-caps=+dac_override",
        "--ambient-caps=+dac_override",
    ];
    assert_eq!(ask(&capable), "");
    gateway.stop();
}
