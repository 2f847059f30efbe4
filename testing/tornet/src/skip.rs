//! Tests on a machine without `tor`.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Returns whether a test must be skipped because `tor` is missing.
///
/// Prints the skip and the number of skipped tests, past the capture of libtest.
pub fn skip(test: &str) -> bool {
    static SKIPPED: AtomicUsize = AtomicUsize::new(0);
    let mut tor = Command::new("tor");
    let quiet = tor.arg("--version").stdin(Stdio::null());
    let there = quiet.stdout(Stdio::null()).stderr(Stdio::null()).status();
    if there.is_ok_and(|status| status.success()) {
        return false;
    }
    let count = SKIPPED.fetch_add(1, Ordering::Relaxed) + 1;
    // A failure to print is not a test failure.
    let _ = writeln!(
        std::io::stderr(),
        "SKIPPED ({count} in this process), since `tor` is not installed: {test}"
    );
    true
}
