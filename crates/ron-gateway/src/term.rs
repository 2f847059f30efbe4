//! Text on stdout and stderr.
//!
//! Control characters are escaped here as a last defence of the terminal. A closed reader causes no
//! panic.

use std::fmt;
use std::io::{stderr, stdout, Write};

use ron_transport::escape::escape_composed;

/// Writes text to stdout.
pub(crate) fn out(text: &str) {
    let mut out = stdout().lock();
    let text = printable(text);
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes one or several lines to stderr.
pub(crate) fn err_line(line: fmt::Arguments<'_>) {
    let _ = writeln!(stderr().lock(), "{}", printable(&line.to_string()));
}

/// Escapes control characters other than line feeds.
///
/// External parts of a text are escaped where it is composed.
fn printable(text: &str) -> String {
    let lines = text.split('\n');
    let lines: Vec<_> = lines
        .map(|line| escape_composed(line).to_string())
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_escaped_line_feeds_kept() {
        let text = "a\n  b\u{1b}[2J\r\u{202e}\\u001b\n";
        assert_eq!(printable(text), "a\n  b\\u001b[2J\\r\\u202e\\u001b\n");
    }
}
