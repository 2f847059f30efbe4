//! The sandbox from outside: threads, lesser kernels and reloads.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use seccompiler::{apply_filter, BpfProgram, SeccompAction, SeccompFilter};
use serde_json::{json, Value};

use crate::common::{
    connect, echoes, kernel_can_sandbox, wait_for, Gateway, Start, PROGRAM, SANDBOX,
};

/// Passes the call that the kernel shall lack.
const LACKS: &str = "RON_TEST_KERNEL_LACKS";

fn is_possible() -> bool {
    let can = kernel_can_sandbox();
    if !can {
        eprintln!("SKIPPED: this kernel lacks Landlock or seccomp; the sandbox is not tested");
    }
    can
}

fn status(gateway: &Gateway) -> Value {
    let status: Value = serde_json::from_str(&gateway.get("/status").body).unwrap();
    status["sandbox"].clone()
}

/// Returns the name of each thread, and a field of its status.
fn of_threads(pid: u32, field: &str) -> Vec<(String, String)> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let paths = tasks.map(|task| task.unwrap().path());
    paths
        .map(|path| {
            let name = fs::read_to_string(path.join("comm")).unwrap();
            let status = fs::read_to_string(path.join("status")).unwrap();
            let value = status.lines().find_map(|line| line.strip_prefix(field));
            (name, value.unwrap().trim().to_owned())
        })
        .collect()
}

#[test]
fn every_thread_has_the_filter() {
    if !is_possible() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("gateway.toml");
    fs::write(&file, "[transport]\nmax_conns = 5\n").unwrap();
    let gateway = Gateway::start(&["--config", file.to_str().unwrap()]);
    assert!(echoes(&mut connect(gateway.addr)));
    fs::write(&file, "[transport]\nmax_conns = 6\n").unwrap();
    gateway.line_with(&["event=reload", "result=ok"]);
    for (field, expected) in [("Seccomp:", "2"), ("NoNewPrivs:", "1")] {
        let threads = of_threads(gateway.pid(), field);
        let all = threads.iter().all(|(_, value)| value == expected);
        assert!(threads.len() >= 5 && all, "{field} {threads:?}");
    }
    let sandbox = status(&gateway);
    assert_eq!(sandbox["mode"], "on");
    assert_eq!(sandbox["seccomp"], json!(true));
    assert!(sandbox["landlock_abi"].as_u64().unwrap() >= 1, "{sandbox}");
    let log = gateway.stop();
    let line = "event=sandbox mode=on landlock_abi=";
    assert!(log.contains(line), "{log}");
}

#[test]
fn sandbox_off_restricts_no_thread() {
    let gateway = Start::default().env(SANDBOX, "off").spawn();
    let threads = of_threads(gateway.pid(), "Seccomp:");
    assert!(threads.iter().all(|(_, value)| value == "0"), "{threads:?}");
    let expected = json!({"mode": "off", "landlock_abi": null, "seccomp": false});
    assert_eq!(status(&gateway), expected);
    gateway.stop();
}

/// Runs a gateway on a kernel that lacks a call.
#[test]
#[ignore = "runs in a child process"]
fn gateway_on_lesser_kernel() {
    let Ok(call) = std::env::var(LACKS) else {
        return;
    };
    let call = match call.as_str() {
        "landlock" => libc::SYS_landlock_create_ruleset,
        _ => libc::SYS_seccomp,
    };
    let filter = SeccompFilter::new(
        [(call, Vec::new())].into(),
        SeccompAction::Allow,
        SeccompAction::Errno(libc::ENOSYS.unsigned_abs()),
        std::env::consts::ARCH.try_into().unwrap(),
    );
    let program: BpfProgram = filter.unwrap().try_into().unwrap();
    apply_filter(&program).unwrap();
    let mut gateway = Command::new(PROGRAM);
    gateway.args(["--transport.bind-addr", "127.0.0.1:0", "--admin", ""]);
    panic!("{}", gateway.exec());
}

/// Returns exit code and output of a gateway on such a kernel.
fn on_lesser_kernel(lacks: &str, mode: &str) -> (Option<i32>, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out");
    let out = fs::File::create(&path).unwrap();
    let mut helper = Command::new(std::env::current_exe().unwrap());
    let name = "sandbox::gateway_on_lesser_kernel";
    helper.args(["--exact", name, "--ignored", "--nocapture"]);
    helper.env(LACKS, lacks).env(SANDBOX, mode);
    helper.stdout(out.try_clone().unwrap()).stderr(out);
    let mut child = helper.spawn().unwrap();
    let ended = wait_for("the gateway", || {
        if fs::read_to_string(&path).unwrap().contains("event=start") {
            child.kill().unwrap();
        }
        child.try_wait().unwrap()
    });
    (ended.code(), fs::read_to_string(&path).unwrap())
}

#[test]
fn lesser_kernel_fails_with_on_not_with_try() {
    if !is_possible() {
        return;
    }
    for (lacks, named, rest) in [
        ("landlock", "Landlock: ", "landlock_abi=0 seccomp=on"),
        ("seccomp", "seccomp: ", "seccomp=off"),
    ] {
        let (code, text) = on_lesser_kernel(lacks, "on");
        assert_eq!(code, Some(1), "{text}");
        let why = format!("sandbox is on, and this system does not support it: {named}");
        assert!(text.contains(&why), "{text}");
        assert!(text.contains("sandbox = try"), "{text}");

        let (_, text) = on_lesser_kernel(lacks, "try");
        let line = text.lines().find(|line| line.contains("event=sandbox"));
        let line = line.unwrap_or_else(|| panic!("{text}"));
        assert!(line.contains("level=warn"), "{line}");
        assert!(line.contains(rest) && line.contains(named), "{line}");
        assert!(text.contains("event=start"), "{text}");
    }
}

#[cfg(feature = "tls")]
mod files {
    use std::os::unix::fs::symlink;

    use rustix::process::Signal;

    use super::*;
    use crate::common::Pki;

    #[test]
    fn reload_outside_the_sandbox_is_rejected() {
        if !is_possible() {
            return;
        }
        let (pki, elsewhere) = (Pki::new(), Pki::new());
        pki.server("first");
        elsewhere.server("second");
        let file = pki.path("gateway.toml");
        let write = |pki: &Pki| {
            let (cert, key) = (pki.file("cert.pem"), pki.file("key.pem"));
            let tls = format!("tls.cert_path = '{cert}'\ntls.key_path = '{key}'\n");
            fs::write(&file, format!("[transport]\nbackend = 'tls'\n{tls}")).unwrap();
        };
        write(&pki);
        let gateway = Gateway::start(&["--config", file.to_str().unwrap()]);
        write(&elsewhere);
        gateway.signal(Signal::HUP);
        let line = gateway.line_with(&["event=sandbox", "sandbox forbids"]);
        gateway.line_with(&["event=reload", "result=rejected"]);
        for text in ["transport.tls.cert_path", "tls.key_path", "restart"] {
            assert!(line.contains(text), "{line}");
        }
        assert!(!line.contains(&elsewhere.file("")), "{line}");

        // The last valid configuration is active, and a rename still renews its files.
        write(&pki);
        pki.server("third");
        gateway.signal(Signal::HUP);
        gateway.line_with(&["event=reload", "result=ok"]);
        gateway.stop();
    }

    /// A deployment that replaces the whole directory.
    #[test]
    fn replaced_directory_is_readable() {
        if !is_possible() {
            return;
        }
        let (pki, next) = (Pki::new(), Pki::new());
        let live = pki.path("live");
        for (from, to) in [(&pki, &live), (&next, &pki.path("next"))] {
            from.server("x");
            fs::create_dir(to).unwrap();
            for name in ["cert.pem", "key.pem"] {
                fs::copy(from.path(name), to.join(name)).unwrap();
            }
        }
        let file = live.join("cert.pem");
        let key = live.join("key.pem");
        let args = [
            "--transport.backend",
            "tls",
            "--transport.tls.cert-path",
            file.to_str().unwrap(),
            "--transport.tls.key-path",
            key.to_str().unwrap(),
        ];
        let gateway = Gateway::start(&args);
        fs::rename(&live, pki.path("old")).unwrap();
        fs::rename(pki.path("next"), &live).unwrap();
        gateway.signal(Signal::HUP);
        gateway.line_with(&["event=reload", "result=ok"]);
        gateway.stop();
    }

    /// A Kubernetes Secret: `cert.pem` -> `..data/cert.pem`, and a rename replaces `..data`.
    #[test]
    fn swapped_links_reload_certificates() {
        let pki = Pki::new();
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        for version in ["..1", "..2"] {
            pki.server(version);
            fs::create_dir(path(version)).unwrap();
            for name in ["cert.pem", "key.pem"] {
                fs::copy(pki.path(name), path(version).join(name)).unwrap();
            }
        }
        symlink("..1", path("..data")).unwrap();
        for name in ["cert.pem", "key.pem"] {
            symlink(format!("..data/{name}"), path(name)).unwrap();
        }
        let text = |name: &str| path(name).to_str().unwrap().to_owned();
        let (cert, key) = (text("cert.pem"), text("key.pem"));
        let gateway = Gateway::start(&[
            "--transport.backend",
            "tls",
            "--transport.tls.cert-path",
            &cert,
            "--transport.tls.key-path",
            &key,
        ]);
        symlink("..2", path("..new")).unwrap();
        fs::rename(path("..new"), path("..data")).unwrap();
        gateway.line_with(&["event=reload", "result=ok", "tls files were renewed"]);
        let log = gateway.stop();
        assert!(!log.contains("result=rejected"), "{log}");
    }
}
