//! The conformance suite in a package outside of the workspace.
//!
//! The package is the example `custom_backend` of `ron-transport` with a harness. It is built offline
//! with the versions of this workspace, and its dependencies are kept in the folder of this test.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The abort of the example.
const ABORT: &str = "self.resets_peer.store(true, Ordering::Release);";

/// The caller's number in the example, and one of each connection.
const CALLER: (&str, &str) = (
    "caller: self.caller,",
    "caller: { static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0); \
     PeerAddr::Other(NEXT.fetch_add(1, Ordering::Relaxed)) },",
);

/// Creates the package; `None` outside of the repository.
fn package(name: &str, change: impl FnOnce(String) -> String) -> Option<PathBuf> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let example = crates.join("ron-transport/examples/custom_backend.rs");
    let lock = crates.parent().unwrap().join("Cargo.lock");
    if !example.is_file() || !lock.is_file() {
        println!("skipped: no repository around {}", crates.display());
        return None;
    }
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(dir.join("src")).unwrap();
    let manifest = include_str!("outside/package.toml");
    // Of two packages of one name, cargo would take the program of one for that of the other.
    let manifest = manifest.replace("NAME", name);
    let manifest = manifest.replace("CRATES", crates.to_str().unwrap());
    write(&dir.join("Cargo.toml"), &manifest);
    // Offline, cargo can only use versions that are on this machine: those of the workspace.
    write(&dir.join("Cargo.lock"), &fs::read_to_string(lock).unwrap());
    let program = change(fs::read_to_string(example).unwrap());
    let program = format!("{program}\n#[cfg(test)]\nmod conformance;\n");
    write(&dir.join("src/main.rs"), &program);
    let harness = include_str!("outside/conformance.rs");
    write(&dir.join("src/conformance.rs"), harness);
    Some(dir)
}

/// Writes a file unless it has this text: cargo rebuilds newer files.
fn write(path: &Path, text: &str) {
    if fs::read_to_string(path).map_or(true, |now| now != text) {
        fs::write(path, text).unwrap();
    }
}

/// Runs cargo in a package.
///
/// Both packages share the folder of built dependencies.
fn cargo(dir: &Path, args: &[&str]) -> Output {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("outside-target");
    let mut command = Command::new(cargo);
    command.current_dir(dir).env("CARGO_NET_OFFLINE", "true");
    command.env("CARGO_TARGET_DIR", target).args(args);
    // The flags and the wrapper of the caller's own build are not for this one.
    for variable in ["CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "RUSTDOCFLAGS"] {
        command.env_remove(variable);
    }
    command.output().unwrap()
}

fn text(output: &Output) -> String {
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    text
}

/// One test, since the packages build into one folder.
#[test]
fn outside_package_passes_unless_broken() {
    let Some(whole) = package("bus", |program| program) else {
        return;
    };
    // Most cases wait for deadlines.
    let output = cargo(&whole, &["test", "--", "--test-threads=8"]);
    let report = text(&output);
    assert!(output.status.success(), "{report}");
    assert!(report.contains("aborted_stream_is_no_end_of_stream ... ok"));
    assert!(report.contains("multi_thread::abort_visible ... ok"));

    let broken = package("bus-broken", |program| {
        assert!(program.contains(ABORT) && program.contains(CALLER.0));
        program.replace(ABORT, "").replace(CALLER.0, CALLER.1)
    });
    let output = cargo(
        &broken.unwrap(),
        &["test", "--", "abort", "orderly", "bytes_are", "peers"],
    );
    let report = text(&output);
    assert!(
        !output.status.success(),
        "a broken backend passes the suite"
    );
    for rule in [
        "rule abort: the peer reads an end of stream",
        "rule peer: two connections of a peer count as two peers",
    ] {
        assert!(report.contains(rule), "{rule} is not reported:\n{report}");
    }
    let failed = |case: &str| report.contains(&format!("{case} ... FAILED"));
    assert!(failed("abort_visible"), "{report}");
    assert!(failed("aborted_stream_is_no_end_of_stream"), "{report}");
    assert!(failed("peers_are_stable"), "{report}");
    assert!(!failed("orderly_end_visible"), "{report}");
    assert!(!failed("bytes_are_counted_exactly"), "{report}");
}
