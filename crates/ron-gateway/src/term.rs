//! Plain lines on stdout and stderr, each the last guard of a terminal: a character that would act
//! on it is escaped. A reader that is gone is no reason to panic.

use std::fmt;
use std::io::{stderr, stdout, Write};

use ron_transport::escape::escape_composed;

/// Writes lines to stdout.
pub(crate) fn out(text: &str) {
    let mut out = stdout().lock();
    let text = printable(text);
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes a line, or several, to stderr.
pub(crate) fn err_line(line: fmt::Arguments<'_>) {
    let _ = writeln!(stderr().lock(), "{}", printable(&line.to_string()));
}

/// Line feeds stay: the parts of a text that come from outside are escaped where it is composed.
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
    fn lines_stay_and_control_characters_do_not() {
        let text = "a\n  b\u{1b}[2J\r\u{202e}\\u001b\n";
        assert_eq!(printable(text), "a\n  b\\u001b[2J\\r\\u202e\\u001b\n");
    }
}
