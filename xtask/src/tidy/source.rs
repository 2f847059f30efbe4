//! Splits Rust source into code and comments, and empties strings.
//!
//! It is no parser: it lexes enough that a word in a string or a comment is never taken for code. Line
//! numbers do not change.

/// The code and the comments of a text, each with all lines.
pub(super) struct Source {
    pub(super) code: String,
    pub(super) comments: String,
}

/// The line number and the text of a word or a sign.
pub(super) type Token<'a> = (usize, &'a str);

enum Part {
    Code,
    Comment,
    Literal,
}

/// Splits a file.
pub(super) fn split(text: &str) -> Source {
    let bytes = text.as_bytes();
    let blank: Vec<u8> = bytes
        .iter()
        .map(|&b| if b == b'\n' { b } else { b' ' })
        .collect();
    let (mut code, mut comments) = (blank.clone(), blank);
    let mut at = 0;
    while at < bytes.len() {
        let (part, end) = next(bytes, at);
        let end = end.clamp(at + 1, bytes.len());
        match part {
            Part::Code => code[at..end].copy_from_slice(&bytes[at..end]),
            Part::Comment => comments[at..end].copy_from_slice(&bytes[at..end]),
            Part::Literal => {
                code[at] = b'"';
                code[end - 1] = b'"';
            }
        }
        at = end;
    }
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Source {
        code: text(code),
        comments: text(comments),
    }
}

/// The words and signs of code without comments.
pub(super) fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    for (line, text) in code.lines().enumerate() {
        let mut rest = text.trim_start();
        while let Some(first) = rest.chars().next() {
            let end = if is_word(first) {
                rest.find(|c| !is_word(c)).unwrap_or(rest.len())
            } else {
                first.len_utf8()
            };
            found.push((line + 1, &rest[..end]));
            rest = rest[end..].trim_start();
        }
    }
    found
}

/// Returns whether a character is part of a word.
pub(super) fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// The kind and the end of the part that starts at `at`.
fn next(bytes: &[u8], at: usize) -> (Part, usize) {
    let rest = &bytes[at..];
    if rest.starts_with(b"//") {
        let end = rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
        return (Part::Comment, at + end);
    }
    if rest.starts_with(b"/*") {
        return (Part::Comment, at + block_comment(rest));
    }
    if rest[0] == b'"' {
        return (Part::Literal, at + quoted(rest, b'"'));
    }
    if rest[0] == b'\'' {
        return match char_literal(rest) {
            Some(len) => (Part::Literal, at + len),
            None => (Part::Code, at + 1),
        };
    }
    let word = rest
        .iter()
        .take_while(|&&b| b == b'_' || b.is_ascii_alphanumeric())
        .count();
    match &rest[..word] {
        b"r" | b"br" | b"cr" => match raw_string(&rest[word..]) {
            Some(len) => (Part::Literal, at + word + len),
            None => (Part::Code, at + word),
        },
        _ => (Part::Code, at + word.max(1)),
    }
}

/// The length of a block comment, including nested ones.
fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    at
}

/// The length of a literal up to the next unescaped `quote`.
fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b if b == quote => return at + 1,
            _ => at += 1,
        }
    }
    at
}

/// The length of a character literal; `None` for a lifetime.
fn char_literal(rest: &[u8]) -> Option<usize> {
    if rest.get(1) == Some(&b'\\') {
        return Some(quoted(rest, b'\''));
    }
    let first = *rest.get(1)?;
    let width = match first {
        0..=0x7f => 1,
        0x80..=0xdf => 2,
        0xe0..=0xef => 3,
        _ => 4,
    };
    (rest.get(1 + width) == Some(&b'\'')).then_some(width + 2)
}

/// The length of a raw string, from its `#` or quote.
fn raw_string(rest: &[u8]) -> Option<usize> {
    let hashes = rest.iter().take_while(|&&b| b == b'#').count();
    if rest.get(hashes) != Some(&b'"') {
        return None;
    }
    let mut close = vec![b'"'];
    close.resize(hashes + 1, b'#');
    let body = &rest[hashes + 1..];
    let end = body.windows(close.len()).position(|part| part == close);
    Some(end.map_or(rest.len(), |end| hashes + 1 + end + close.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let code = split(text).code;
        tokens(&code)
            .into_iter()
            .map(|(_, word)| word.to_owned())
            .collect()
    }

    #[test]
    fn strings_and_comments_are_not_code() {
        assert_eq!(words("a // b\nc /* d /* e */ f */ g"), ["a", "c", "g"]);
        let mixed = r##"a("b \" c", r#"d " e"#, b"f", br"g\")"##;
        assert_eq!(words(mixed).concat(), r#"a("","",b"","")"#);
        assert_eq!(
            words(r"a('\'', 'é', '\u{1F600}', b'x')").concat(),
            "a(\"\",\"\",\"\",b\"\")"
        );
    }

    #[test]
    fn lifetimes_and_raw_identifiers_are_code() {
        assert_eq!(
            words("fn a<'b>(c: &'b str, d: r#type)").concat(),
            "fna<'b>(c:&'bstr,d:r#type)"
        );
    }

    #[test]
    fn comments_are_separate_and_lines_match() {
        let source = split("a\n\"x\ny\" // note\nb");
        assert!(source.comments.contains("// note") && !source.comments.contains('a'));
        assert_eq!(tokens(&source.code).last(), Some(&(4, "b")));
    }

    #[test]
    fn unterminated_literal_does_not_panic() {
        for text in ["/* a", "\"a", "\"a\\", "'", "r#\"a", "'\\", "é'é", "b'"] {
            let _ = split(text);
        }
    }
}
