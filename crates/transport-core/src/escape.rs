//! Escapes text from outside for terminals and logs.
//!
//! Peers choose the names in their certificates, their ALPN names and the texts of their errors. A
//! control character in such a text moves the cursor of a terminal, a line feed begins a log line,
//! and a bidirectional override makes one name look like another. Text from outside therefore
//! passes [`escape`] before it is shown.
//!
//! Escapes are those of JSON (RFC 8259 §7): `\n`, `\u001b`, and two of them for a character above
//! U+FFFF. A byte that is not UTF-8 becomes `\xff`.

use std::fmt::{self, Write};

/// Default of [`Escaped::max_chars`]; a DNS name has at most 253.
const MAX_CHARS: usize = 256;

/// Escapes text from outside for a terminal or a log.
///
/// [`Escaped::max_chars`] bounds its length.
///
/// ```
/// use transport_core::escape::escape;
///
/// assert_eq!(escape("a\u{1b}[2J\u{202e}\\").to_string(), r"a\u001b[2J\u202e\\");
/// assert_eq!(escape(b"\xffa\"").quoted().to_string(), r#""\xffa\"""#);
/// assert_eq!(escape("abcdef").max_chars(3).to_string(), "abc…");
/// ```
#[must_use]
pub fn escape<T: AsRef<[u8]> + ?Sized>(text: &T) -> Escaped<'_> {
    Escaped {
        text: text.as_ref(),
        max_chars: MAX_CHARS,
        form: Form::Bare,
    }
}

/// Escapes a text with escaped parts: keeps backslashes and the full length.
///
/// The last guard of a sink. It cannot distinguish an escape from a text that looks like one, so
/// each part from outside must pass [`escape`] first.
#[must_use]
pub fn escape_composed<T: AsRef<[u8]> + ?Sized>(text: &T) -> Escaped<'_> {
    Escaped {
        text: text.as_ref(),
        max_chars: usize::MAX,
        form: Form::Composed,
    }
}

/// Returns whether a character displays as itself and changes nothing around it.
///
/// Unsafe are control characters, format characters (bidirectional overrides, zero-width
/// characters, tags), separators other than the space, private and unassigned characters,
/// combining marks, and letters with a blank glyph.
#[must_use]
pub fn is_safe(c: char) -> bool {
    /// The Hangul fillers: letters by their category, blank by their glyph.
    const FILLERS: [char; 4] = ['\u{115f}', '\u{1160}', '\u{3164}', '\u{ffa0}'];
    if c.is_ascii() {
        return !c.is_ascii_control();
    }
    c.escape_debug().len() == 1 && !FILLERS.contains(&c)
}

/// Writes one character as JSON escapes it.
///
/// # Errors
/// Those of `out`.
pub fn write_escape(out: &mut impl Write, c: char) -> fmt::Result {
    match c {
        '\n' => out.write_str("\\n"),
        '\r' => out.write_str("\\r"),
        '\t' => out.write_str("\\t"),
        '"' => out.write_str("\\\""),
        '\\' => out.write_str("\\\\"),
        c => {
            let mut units = [0; 2];
            let units: &[u16] = c.encode_utf16(&mut units);
            units
                .iter()
                .try_for_each(|unit| write!(out, "\\u{unit:04x}"))
        }
    }
}

/// The context of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Alone.
    Bare,
    /// In double quotes.
    Quoted,
    /// With escaped parts.
    Composed,
}

/// A text that is escaped while it is written.
#[derive(Debug, Clone, Copy)]
pub struct Escaped<'a> {
    text: &'a [u8],
    max_chars: usize,
    form: Form,
}

impl Escaped<'_> {
    /// Puts the text in double quotes and escapes those within it.
    ///
    /// For UTF-8 text of full length, the result is its JSON string.
    #[must_use]
    pub const fn quoted(self) -> Self {
        Self {
            form: Form::Quoted,
            ..self
        }
    }

    /// Shows every character.
    #[must_use]
    pub const fn whole(self) -> Self {
        self.max_chars(usize::MAX)
    }

    /// Shows at most this many characters, and `…` for the rest.
    #[must_use]
    pub const fn max_chars(self, max_chars: usize) -> Self {
        Self { max_chars, ..self }
    }

    /// Writes the characters; returns whether it omitted some.
    fn write(self, f: &mut fmt::Formatter<'_>) -> Result<bool, fmt::Error> {
        let mut left = self.max_chars;
        for chunk in self.text.utf8_chunks() {
            for c in chunk.valid().chars() {
                if left == 0 {
                    return Ok(true);
                }
                left -= 1;
                if self.is_plain(c) {
                    f.write_char(c)?;
                } else {
                    write_escape(f, c)?;
                }
            }
            for byte in chunk.invalid() {
                if left == 0 {
                    return Ok(true);
                }
                left -= 1;
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(false)
    }

    fn is_plain(self, c: char) -> bool {
        match c {
            '\\' => self.form == Form::Composed,
            '"' => self.form != Form::Quoted,
            c => is_safe(c),
        }
    }
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quote = if self.form == Form::Quoted { "\"" } else { "" };
        f.write_str(quote)?;
        let is_cut = self.write(f)?;
        f.write_str(quote)?;
        f.write_str(if is_cut { "…" } else { "" })
    }
}

#[cfg(test)]
mod tests;
