//! The sandbox of the running service, tried from inside.
//!
//! Each attempt runs in a child process, which is this test binary.

use std::fs::{self, File};
use std::net::ToSocketAddrs;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus};
use std::thread;

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};

use super::*;
use crate::startup::Sources;

/// Passes the attempt to the helper.
const ATTEMPT: &str = "RON_TEST_SANDBOX_ATTEMPT";
/// Passes an unreadable file to the helper.
const PRIVATE: &str = "RON_TEST_SANDBOX_PRIVATE";
const HELPER: &str = "sandbox::tests::helper";
const SIGSYS: i32 = 31;

fn is_possible() -> bool {
    let restrict = || FileRules::new(&[])?.restrict_thread();
    let restricted = thread::spawn(restrict).join().unwrap();
    if let Err(why) = &restricted {
        eprintln!("SKIPPED: no sandbox on this system: {why}");
    }
    restricted.is_ok()
}

/// Runs the helper; returns its exit status and its result.
fn attempt(what: &str) -> (ExitStatus, String) {
    let dir = tempfile::tempdir().unwrap();
    let private = dir.path().join("private");
    fs::write(&private, "secret").unwrap();
    let mut helper = Command::new(std::env::current_exe().unwrap());
    helper.args(["--exact", HELPER, "--ignored", "--nocapture"]);
    helper.env(ATTEMPT, what).env(PRIVATE, &private);
    let output = helper.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let reported = text.lines().find_map(|line| line.split_once("attempt: "));
    let errors = String::from_utf8_lossy(&output.stderr);
    let reported = reported.map_or(&*errors, |(_, reported)| reported);
    (output.status, reported.to_owned())
}

#[test]
#[ignore = "runs in a child process, inside the sandbox"]
fn helper() {
    let Ok(what) = std::env::var(ATTEMPT) else {
        return;
    };
    let private = std::env::var(PRIVATE).unwrap();
    let sources = Sources {
        flags: vec![("gateway.sandbox".to_owned(), "on".into())],
        ..Sources::default()
    };
    let sandbox = Sandbox::new(&sources.load().unwrap(), &[]);
    sandbox.restrict_thread().unwrap();
    sandbox.filter_calls().unwrap();
    let opened = |domain, kind| Socket::new(domain, kind, Some(Protocol::ICMPV4)).map(drop);
    let result = match what.as_str() {
        "execve" => Err(Command::new("/bin/true").exec()),
        "spawn" => Command::new("/bin/true").spawn().map(drop),
        "raw socket" => opened(Domain::IPV4, Type::RAW),
        "packet socket" => opened(Domain::PACKET, Type::DGRAM),
        "shadow" => File::open("/etc/shadow").map(drop),
        "file" => File::open(private).map(drop),
        "file in a thread" => {
            let opening = thread::spawn(move || File::open(private).map(drop));
            opening.join().unwrap()
        }
        "new file" => File::create(private + ".new").map(drop),
        "name" => ("localhost", 1).to_socket_addrs().map(drop),
        "hosts" => File::open("/etc/hosts").map(drop),
        "null" => File::create("/dev/null").map(drop),
        "thread" => thread::Builder::new().spawn(|| {}).map(drop),
        what => panic!("{what}"),
    };
    match result {
        Ok(()) => println!("attempt: ok"),
        Err(error) => println!("attempt: {}", error.raw_os_error().unwrap_or(0)),
    }
    std::process::exit(0);
}

#[test]
fn execve_kills_the_process() {
    if !is_possible() {
        return;
    }
    let (status, reported) = attempt("execve");
    assert_eq!(status.signal(), Some(SIGSYS), "{status} {reported}");
}

#[test]
fn denied_calls_fail_with_errno() {
    if !is_possible() {
        return;
    }
    for (what, expected) in [
        ("spawn", Errno::NOSYS),
        ("raw socket", Errno::NOSYS),
        ("packet socket", Errno::NOSYS),
        ("shadow", Errno::ACCESS),
        ("file", Errno::ACCESS),
        ("file in a thread", Errno::ACCESS),
        ("new file", Errno::ACCESS),
    ] {
        let (status, reported) = attempt(what);
        let expected = expected.raw_os_error().to_string();
        assert_eq!(reported, expected, "{what}: {status}");
    }
}

#[test]
fn calls_of_the_service_succeed() {
    if !is_possible() {
        return;
    }
    for what in ["name", "hosts", "null", "thread"] {
        let (status, reported) = attempt(what);
        assert_eq!(reported, "ok", "{what}: {status}");
    }
}
