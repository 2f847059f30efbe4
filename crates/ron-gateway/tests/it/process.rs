//! System faults: disk, threads, descriptors, blocking files and the clock.

use std::fs::{self, OpenOptions};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::process::{kill_process, prlimit, Pid, Resource, Rlimit, Signal};

use crate::common::{
    command, connect, echoes, field, request, run, wait_for, Gateway, Start, PATIENCE, PROGRAM,
};

const DROPPED: &str = "ron_gateway_log_lines_dropped_total";

fn dropped(admin: SocketAddr) -> u64 {
    let body = request(admin, "GET", "/metrics", "").body;
    let mut lines = body.lines();
    let value = lines.find_map(|line| line.strip_prefix(DROPPED)?.strip_prefix(' '));
    value.unwrap().parse().unwrap()
}

fn file_size_limit(pid: Pid, bytes: Option<u64>) {
    let limit = Rlimit {
        current: bytes,
        maximum: None,
    };
    prlimit(Some(pid), Resource::Fsize, limit).unwrap();
}

/// SIGXFSZ would kill the process.
///
/// A failed write could end the log.
#[test]
fn log_recovers_from_a_full_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let (mut process, addr, admin) = Start::default().spawn_logging_to(&path);
    let read = || fs::read_to_string(&path).unwrap();
    assert_eq!(dropped(admin), 0);
    file_size_limit(process.pid(), Some(read().len() as u64 + 10));
    let lost = wait_for("a line that is dropped", || {
        assert!(echoes(&mut connect(addr)));
        Some(dropped(admin)).filter(|&lines| lines > 0)
    });
    assert!(!read().ends_with('\n'), "the current line is torn");
    file_size_limit(process.pid(), None);
    let reported = wait_for("the count in the log", || {
        let log = read();
        let line = log.lines().find(|line| line.contains(" event=log "))?;
        field(line, "dropped")?.parse::<u64>().ok()
    });
    assert!(reported >= lost, "{reported} {lost}");
    kill_process(process.pid(), Signal::TERM).unwrap();
    assert_eq!(process.wait().code(), Some(0));
    let log = read();
    assert!(log.contains(" event=shutdown "), "{log}");
    // The torn line is complete now.
    assert!(log.lines().all(|line| line.starts_with("ts=2")), "{log}");
}

fn threads(pid: u32) -> Vec<(String, String)> {
    let entries = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let mut found: Vec<_> = entries
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = fs::read_to_string(path.join("comm")).unwrap_or_default();
            let id = path.file_name().unwrap().to_str().unwrap().to_owned();
            (id, name.trim().to_owned())
        })
        .collect();
    found.sort();
    found
}

/// A reload works without a new thread.
#[test]
fn reload_and_watch_need_no_new_thread() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("gateway.toml");
    fs::write(&file, "[transport]\nmax_conns = 2\n").unwrap();
    let gateway = Gateway::start(&["--config", file.to_str().unwrap()]);
    // A thread has the name of its process until it first runs.
    let before = wait_for("the names of the threads", || {
        let found = threads(gateway.pid());
        let unnamed = found.iter().filter(|(_, name)| name == "ron-gateway");
        (unnamed.count() == 1).then_some(found)
    });
    for name in ["load", "watch", "log"] {
        assert!(before.iter().any(|(_, found)| found == name), "{before:?}");
    }
    fs::write(&file, "[transport]\nmax_conns = 3\n").unwrap();
    gateway.line_with(&["event=reload", "keys=max_conns"]);
    gateway.signal(Signal::HUP);
    gateway.wait_metric("transport_reloads_total{result=\"ok\"}", 2);
    assert_eq!(threads(gateway.pid()), before);
    gateway.stop();
}

/// Returns the errors of a failed start, without a panic.
fn failure(mut starting: std::process::Command) -> String {
    let output = starting.output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(!errors.contains("panicked"), "{errors}");
    errors
}

#[test]
fn too_few_descriptors_fail_the_start() {
    for limit in [4, 6, 9, 12, 15] {
        let errors = failure(Start::default().max_fd(limit).command());
        let limit = format!("the limit is {limit}, and at least");
        assert!(errors.contains(&limit), "{errors}");
    }
}

#[test]
fn missing_thread_fails_the_start() {
    let mut starting = command("setpriv");
    starting
        .args(["--reuid", "64133", "--regid", "64133", "--clear-groups"])
        .args(["prlimit", "--nproc=1", PROGRAM, "--admin", ""])
        .args(["--transport.bind-addr", "127.0.0.1:0"]);
    let can_switch = rustix::process::getuid().is_root() && starting.output().is_ok();
    let can_run = can_switch && {
        let mut version = command("setpriv");
        let version = version.args(["--reuid", "64133", "--regid", "64133", "--clear-groups"]);
        let output = version
            .args(["prlimit", "--core=0", PROGRAM, "--version"])
            .output();
        output.is_ok_and(|output| output.status.success())
    };
    if !can_run {
        eprintln!("SKIPPED: no other user can run the program; the thread limit is not tested");
        return;
    }
    let errors = failure(starting);
    assert!(errors.contains("RLIMIT_NPROC"), "{errors}");
}

#[test]
fn clock_before_1970_fails_the_start() {
    let faked = || {
        let mut faked = command("faketime");
        faked.arg("1969-06-01 00:00:00").arg(PROGRAM);
        faked
    };
    if faked().arg("--version").output().is_err() {
        eprintln!("SKIPPED: no faketime; the clock is not tested");
        return;
    }
    for args in [
        &["--transport.bind-addr", "127.0.0.1:0", "--admin", ""][..],
        &["dial", "tcp://127.0.0.1:1"],
    ] {
        let mut starting = faked();
        starting.args(args);
        let errors = failure(starting);
        assert!(errors.contains("before 1970"), "{errors}");
    }
}

fn fifo(path: &Path) {
    let (read_write, cwd) = (Mode::RUSR | Mode::WUSR, rustix::fs::CWD);
    rustix::fs::mkfifoat(cwd, path, read_write).unwrap();
}

/// The trust store is a pipe without a writer.
#[cfg(feature = "tls")]
#[test]
fn signal_stops_a_blocked_start() {
    for signal in [Signal::TERM, Signal::INT, Signal::QUIT] {
        let dir = tempfile::tempdir().unwrap();
        let store = dir.path().join("store");
        fifo(&store);
        let (mut process, _log) = Start::default()
            .args(&["--transport.bind-addr", "127.0.0.1:0", "--admin", ""])
            .args(&["--forward", "tls://localhost:1"])
            .env("SSL_CERT_FILE", store.to_str().unwrap())
            .env("SSL_CERT_DIR", "")
            .spawn_bare();
        // The open succeeds once the gateway reads, which then blocks.
        let _writer = wait_for("the start to block", || {
            let mut options = OpenOptions::new();
            let without_waiting = OFlags::NONBLOCK.bits() as i32;
            let options = options.write(true).custom_flags(without_waiting);
            options.open(&store).ok()
        });
        for harmless in [Signal::HUP, Signal::USR2] {
            kill_process(process.pid(), harmless).unwrap();
        }
        sleep(Duration::from_millis(100));
        kill_process(process.pid(), signal).unwrap();
        assert_eq!(process.wait().code(), Some(0));
    }
}

#[cfg(feature = "tls")]
#[test]
fn start_waits_for_half_replaced_pair() {
    use crate::common::Pki;

    let pki = Pki::new();
    pki.server("old");
    let old_key = fs::read_to_string(pki.path("key.pem")).unwrap();
    let (cert, key) = pki.issue("localhost", "new");
    pki.write_pair(&cert, &old_key);
    let listen = pki.listen();
    let args: Vec<_> = listen.iter().map(String::as_str).collect();
    let mut start = args.clone();
    start.extend(["--transport.bind-addr", "127.0.0.1:0", "--admin", ""]);

    // If the pair stays broken, the start fails after a retry.
    let began = tokio::time::Instant::now();
    let (code, _, errors) = run(&start, &[]);
    assert_eq!(code, 2, "{errors}");
    assert!(errors.contains("does not belong"), "{errors}");
    let took = began.elapsed();
    assert!(
        took >= Duration::from_secs(1) && took < PATIENCE,
        "{took:?}"
    );

    let gateway = std::thread::scope(|scope| {
        scope.spawn(|| {
            sleep(Duration::from_millis(300));
            pki.write_pair(&cert, &key);
        });
        Gateway::start(&args)
    });
    gateway.stop();
}
