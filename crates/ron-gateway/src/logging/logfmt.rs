//! `key=value` lines: plain where the value is plain, else quoted and escaped, so that no value
//! can pass for another field or line.

use std::fmt::{self, Write};

use super::record::Entry;

/// One line.
pub(super) fn render(entry: &Entry) -> String {
    let mut line = String::with_capacity(256);
    // Writing to a string does not fail.
    let _ = write(&mut line, entry);
    line
}

fn write(line: &mut String, entry: &Entry) -> fmt::Result {
    let (at, level) = (entry.at, entry.level_name());
    write!(line, "ts={at} level={level} target=")?;
    value(line, entry.target)?;
    if let Some(message) = &entry.message {
        line.write_str(" msg=")?;
        value(line, message)?;
    }
    for (name, field) in &entry.fields {
        write!(line, " {name}=")?;
        value(line, &field.to_string())?;
    }
    line.write_char('\n')
}

/// A value as it is, or in quotes. Within them `"`, `\` and whatever cannot be printed are
/// escaped.
pub(super) fn value(line: &mut String, text: &str) -> fmt::Result {
    let is_plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '=' | '\\');
    if !text.is_empty() && text.chars().all(is_plain) {
        return line.write_str(text);
    }
    line.write_char('"')?;
    for c in text.chars() {
        match c {
            '\'' => line.write_char(c)?,
            c => write!(line, "{}", c.escape_debug())?,
        }
    }
    line.write_char('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> String {
        let mut line = String::new();
        value(&mut line, text).unwrap();
        line
    }

    #[test]
    fn plain_values_stand_as_they_are() {
        for plain in [
            "eof",
            "127.0.0.1:9444",
            "[::1]:1",
            "NotReady(tls)",
            "a/b,c'd",
        ] {
            assert_eq!(written(plain), plain);
        }
    }

    #[test]
    fn anything_else_is_quoted_and_escaped() {
        for (text, expected) in [
            ("", r#""""#),
            ("a b", r#""a b""#),
            ("a=b", r#""a=b""#),
            ("a\"b", r#""a\"b""#),
            ("a\\b", r#""a\\b""#),
            (
                "x\nlevel=info event=close",
                r#""x\nlevel=info event=close""#,
            ),
            ("\u{1b}[31m", r#""\u{1b}[31m""#),
            ("\u{85}\u{2028}\u{202e}", r#""\u{85}\u{2028}\u{202e}""#),
            ("it's ü", "\"it's ü\""),
        ] {
            assert_eq!(written(text), expected);
        }
    }
}
