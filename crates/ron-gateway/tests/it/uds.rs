//! Unix sockets: permissions, stale files, and two gateways at one path.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use rustix::process::Signal;

use crate::common::{
    command, connect, pattern, round_trip, run, Gateway, Start, PATIENCE, PROGRAM,
};

/// A private directory for a socket.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
        Self(dir)
    }

    fn socket(&self) -> PathBuf {
        self.0.path().join("sock")
    }

    fn target(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    fn args(&self) -> Vec<String> {
        let uid = fs::metadata("/proc/self").unwrap().uid().to_string();
        let path = self.socket().display().to_string();
        let backend = ["--transport.backend", "uds", "--transport.uds.path", &path];
        let uids = ["--transport.uds.allow-uids", &uid];
        backend
            .iter()
            .chain(&uids)
            .map(ToString::to_string)
            .collect()
    }

    fn start(&self) -> Start {
        let args = self.args();
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        Start::default().unbound().args(&args)
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(self.socket()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn echoes(&self) -> bool {
        let (mut stream, mut back) = (self.connect(), [0; 5]);
        stream.write_all(b"there").is_ok()
            && stream.read_exact(&mut back).is_ok()
            && &back == b"there"
    }
}

#[test]
fn allowed_uid_is_served_and_socket_removed() {
    let place = Place::new();
    let gateway = place.start().spawn();
    assert_eq!(gateway.listen, place.socket().display().to_string());
    let mode = fs::metadata(place.socket()).unwrap().mode();
    assert_eq!(mode & 0o7777, 0o600);
    let sent = pattern(8 << 20);
    let mut stream = place.connect();
    let mut reader = stream.try_clone().unwrap();
    let back = std::thread::scope(|scope| {
        let reading = scope.spawn(move || {
            let mut back = Vec::new();
            reader.read_to_end(&mut back).map(|_| back)
        });
        stream.write_all(&sent).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        reading.join().unwrap().unwrap()
    });
    assert!(back == sent);
    gateway.wait_metric("bytes_in_total{backend=\"uds\"}", 8 << 20);
    gateway.wait_metric("bytes_out_total{backend=\"uds\"}", 8 << 20);
    let (code, out, _) = run(&["dial", &place.target()], &[]);
    assert_eq!(code, 0);
    assert!(
        out.contains("backend    uds") && out.contains("identity   uid:"),
        "{out}"
    );
    gateway.stop();
    assert!(!place.socket().exists());
}

#[test]
fn tcp_is_forwarded_to_a_unix_socket() {
    let place = Place::new();
    let inner = place.start().spawn();
    let outer = Gateway::start(&["--forward", &place.target()]);
    let sent = pattern(1 << 20);
    assert!(round_trip(connect(outer.addr), &sent) == sent);
    outer.stop();
    inner.stop();
}

/// Runs `dial` as another user.
///
/// The user needs a capability to reach the socket.
fn dial_as_1001(place: &Place, capability: bool) -> (i32, String) {
    let mut setpriv = command("setpriv");
    setpriv.args(["--reuid=1001", "--clear-groups"]);
    if capability {
        setpriv.args(["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]);
    }
    // The program may be in a directory that only root can enter.
    let copy = tempfile::tempdir().unwrap();
    fs::set_permissions(copy.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = copy.path().join("ron-gateway");
    fs::copy(PROGRAM, &program).unwrap();
    let output = setpriv
        .arg(program)
        .args(["dial", &place.target()])
        .output();
    let output = output.unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), errors)
}

/// The two symptoms that the runbook distinguishes.
#[test]
fn other_uid_stopped_by_mode_or_allow_uids() {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        eprintln!("SKIPPED: only root can become another user");
        return;
    }
    let place = Place::new();
    let gateway = place.start().spawn();
    let (code, errors) = dial_as_1001(&place, false);
    assert_eq!(code, 1);
    assert!(errors.contains("Permission denied"), "{errors}");
    gateway.wait_metric("rejected_total{reason=\"uid_denied\"}", 0);

    dial_as_1001(&place, true);
    gateway.wait_metric("rejected_total{reason=\"uid_denied\"}", 1);
    let line = gateway.line_with(&["event=reject", "reason=uid_denied"]);
    assert!(line.contains("uds peer not permitted"), "{line}");
    assert!(line.contains("peer=uid:1001"), "{line}");
    gateway.wait_metric("bytes_in_total{backend=\"uds\"}", 0);
    assert!(place.echoes());
    gateway.stop();
}

#[test]
fn second_gateway_at_one_path_fails() {
    let place = Place::new();
    let gateway = place.start().spawn();
    let args = place.args();
    let mut args: Vec<_> = args.iter().map(String::as_str).collect();
    args.extend(["--admin", ""]);
    let (code, log, errors) = run(&args, &[]);
    assert_eq!(code, 1, "{errors}");
    assert!(errors.contains("another process listens there"), "{errors}");
    assert!(log.contains("reason=bind_failed"), "{log}");
    assert!(place.echoes());
    gateway.stop();
}

#[test]
fn stale_socket_file_is_replaced() {
    let place = Place::new();
    let killed = place.start().spawn();
    killed.signal(Signal::KILL);
    killed.wait();
    assert!(place.socket().exists());
    let gateway = place.start().spawn();
    assert!(place.echoes());
    gateway.stop();
}

#[test]
fn open_directory_or_no_allow_uids_fails_start() {
    let place = Place::new();
    let args = place.args();
    let mut args: Vec<_> = args.iter().map(String::as_str).collect();
    args.extend(["--admin", ""]);
    fs::set_permissions(place.0.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let (code, _, errors) = run(&args, &[]);
    assert_eq!(code, 1, "{errors}");
    assert!(errors.contains("mode 0755"), "{errors}");
    assert!(!place.socket().exists());

    let (code, _, errors) = run(&args[..4], &[]);
    assert_eq!(code, 2);
    assert!(errors.contains("transport.uds.allow_uids"), "{errors}");
    let (code, _, errors) = run(&["check", "--transport.backend", "uds"], &[]);
    assert_eq!(code, 2);
    assert!(errors.contains("transport.uds.path"), "{errors}");
}
