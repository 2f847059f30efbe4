//! Runs a test of this binary in a child process.
//!
//! The child has its own umask, and runs no destructors.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

const ROLE: &str = "TRANSPORT_UDS_CHILD_AT";

/// Returns the path given to the child; `None` in the parent.
pub(crate) fn role() -> Option<PathBuf> {
    env::var_os(ROLE).map(PathBuf::from)
}

/// Runs a test in a child, and returns its output.
///
/// The child has the given umask. The child must print a line with `child:`, which shows that the
/// test name is right.
pub(crate) fn run(test: &str, umask: &str, path: &Path) -> String {
    let output = Command::new("sh")
        .args(["-c", "umask \"$1\" && shift && exec \"$@\"", "sh", umask])
        .arg(env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(ROLE, path)
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success() && printed.contains("child:"),
        "{output:?}"
    );
    printed
}
