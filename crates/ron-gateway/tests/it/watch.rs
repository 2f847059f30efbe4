//! The watch of the configuration files compares contents every two seconds.

use std::fs;
use std::os::unix::fs::symlink;
use std::thread::sleep;
use std::time::Duration;

use rustix::process::Signal;

use crate::common::{command, connect, echoes, refuses, Gateway, PROGRAM};

const OK: &str = "transport_reloads_total{result=\"ok\"}";
const REJECTED: &str = "transport_reloads_total{result=\"rejected\"}";

/// A Kubernetes ConfigMap: `gateway.toml` -> `..data/gateway.toml`, and a rename replaces the
/// symlink `..data`.
#[test]
fn changed_symlink_is_a_change() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    for (version, conns) in [("..1", 1), ("..2", 2)] {
        fs::create_dir(path(version)).unwrap();
        let text = format!("[transport]\nmax_conns = {conns}\n");
        fs::write(path(version).join("gateway.toml"), text).unwrap();
    }
    symlink("..1", path("..data")).unwrap();
    symlink("..data/gateway.toml", path("gateway.toml")).unwrap();
    let gateway = Gateway::start(&["--config", path("gateway.toml").to_str().unwrap()]);
    let mut first = connect(gateway.addr);
    assert!(echoes(&mut first));
    assert!(refuses(gateway.addr));
    symlink("..2", path("..new")).unwrap();
    fs::rename(path("..new"), path("..data")).unwrap();
    gateway.wait_metric(OK, 1);
    gateway.line_with(&["event=reload", "result=ok", "keys=max_conns"]);
    assert!(echoes(&mut first) && echoes(&mut connect(gateway.addr)));
    gateway.stop();
}

#[test]
fn file_written_in_steps_is_loaded_once() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("gateway.toml");
    fs::write(&file, "[transport]\nmax_conns = 5\n").unwrap();
    let gateway = Gateway::start(&["--config", file.to_str().unwrap()]);
    // Each step alone is invalid, for longer than the interval between reads.
    for step in 0..25 {
        fs::write(&file, format!("[transp # {step}")).unwrap();
        sleep(Duration::from_millis(100));
    }
    fs::write(&file, "[transport]\nmax_conns = 6\n").unwrap();
    gateway.wait_metric(OK, 1);
    gateway.wait_metric(REJECTED, 0);

    fs::write(&file, "[transport]\nmax_conns = 7\n").unwrap();
    gateway.signal(Signal::HUP);
    gateway.wait_metric(OK, 2);
    // A missing file is reported once, and the earlier configuration stays active.
    fs::remove_file(&file).unwrap();
    gateway.wait_metric(REJECTED, 1);
    fs::write(&file, "[transport]\nmax_conns = 8\n").unwrap();
    gateway.wait_metric(OK, 3);
    gateway.wait_metric(REJECTED, 1);
    gateway.stop();
}

/// Opening a pipe may block until a writer exists.
#[test]
fn file_replaced_by_pipe_blocks_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("gateway.toml");
    fs::write(&file, "[transport]\nmax_conns = 5\n").unwrap();
    let gateway = Gateway::start(&["--config", file.to_str().unwrap()]);
    fs::remove_file(&file).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&file).status();
    assert!(made.unwrap().success());
    gateway.wait_metric(REJECTED, 1);
    gateway.signal(Signal::HUP);
    gateway.wait_metric(REJECTED, 2);
    assert!(echoes(&mut connect(gateway.addr)));
    fs::remove_file(&file).unwrap();
    fs::write(&file, "[transport]\nmax_conns = 6\n").unwrap();
    gateway.wait_metric(OK, 1);
    gateway.stop();
}

/// A pipe, as with `--config <(generate)` in a shell.
///
/// It would be empty at the second read.
#[test]
fn configuration_through_pipe_is_rejected() {
    let mut check = command("sh");
    let script = "echo '[transport]\nmax_conns = 7' | \"$0\" check --config /dev/stdin";
    let output = check.args(["-c", script, PROGRAM]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(errors.contains("it is a pipe, not a file"), "{errors}");
}

/// Reporting an error for each of so many keys takes seconds.
#[test]
fn slow_load_blocks_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("gateway.toml");
    fs::write(&file, "[transport]\nmax_conns = 5\n").unwrap();
    let gateway = Gateway::start(&["--config", file.to_str().unwrap()]);
    let keys: String = (0..40_000).map(|i| format!("max_con{i} = 1\n")).collect();
    fs::write(&file, format!("[transport]\n{keys}")).unwrap();
    gateway.signal(Signal::HUP);
    sleep(Duration::from_millis(100));
    assert!(echoes(&mut connect(gateway.addr)));
    let log = gateway.stop();
    assert!(
        !log.contains("event=reload"),
        "the load ended before the echo"
    );
}
