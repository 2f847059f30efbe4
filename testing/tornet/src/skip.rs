//! Tests on a machine without `tor`.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Whether a test has to be left out since there is no `tor`. Then says so, past the test
/// harness's capture, with the number of tests left out so far.
pub fn skip(test: &str) -> bool {
    static SKIPPED: AtomicUsize = AtomicUsize::new(0);
    let mut tor = Command::new("tor");
    let quiet = tor.arg("--version").stdin(Stdio::null());
    let there = quiet.stdout(Stdio::null()).stderr(Stdio::null()).status();
    if there.is_ok_and(|status| status.success()) {
        return false;
    }
    let count = SKIPPED.fetch_add(1, Ordering::Relaxed) + 1;
    // Whoever cannot read it is not worth a failure.
    let _ = writeln!(
        std::io::stderr(),
        "SKIPPED ({count} in this process), since `tor` is not installed: {test}"
    );
    true
}
