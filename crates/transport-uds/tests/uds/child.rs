//! A test of this binary, run again in a process of its own: for what a whole process has but
//! once, such as its umask, and to end without any destructor.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

const ROLE: &str = "TRANSPORT_UDS_CHILD_AT";

/// In the child, the path that it was given.
pub(crate) fn role() -> Option<PathBuf> {
    env::var_os(ROLE).map(PathBuf::from)
}

/// Runs one test in a child under this umask, and returns what it printed. The child must print
/// something, or the name of the test is wrong.
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
