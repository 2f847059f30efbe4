//! Plain lines on stdout and stderr. A reader that is gone is no reason to panic.

use std::fmt;
use std::io::{stderr, stdout, Write};

/// Writes to stdout as it stands.
pub(crate) fn out(text: &str) {
    let mut out = stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes one line to stderr.
pub(crate) fn err_line(line: fmt::Arguments<'_>) {
    let _ = writeln!(stderr().lock(), "{line}");
}
