use super::super::entry::Fields;
use super::*;

fn written(value: &str) -> String {
    let mut line = String::new();
    text(&mut line, value).unwrap();
    line
}

#[test]
fn plain_values_are_not_quoted() {
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
fn other_values_are_quoted_and_escaped() {
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
        ("\u{1b}[31m", r#""\u001b[31m""#),
        ("\0", r#""\u0000""#),
        ("\u{85}\u{2028}\u{202e}", r#""\u0085\u2028\u202e""#),
        ("\u{e0041}", r#""\udb40\udc41""#),
        ("it's ü", "\"it's ü\""),
    ] {
        assert_eq!(written(text), expected);
    }
}

/// Decodes a line as go-logfmt does (`decode.go`, `jsonstring.go`).
fn decoded(line: &str) -> Result<Vec<(String, String)>, String> {
    let mut rest = line;
    let mut pairs = Vec::new();
    loop {
        rest = rest.trim_start_matches(|c| c <= ' ');
        if rest.is_empty() {
            return Ok(pairs);
        }
        let end = rest.find(|c| c <= ' ' || c == '=').unwrap_or(rest.len());
        let key = &rest[..end];
        if key.is_empty() || key.contains(['"', '\u{fffd}']) {
            return Err(format!("invalid key: {key:?}"));
        }
        rest = &rest[end..];
        let mut value = String::new();
        if let Some(after) = rest.strip_prefix('=') {
            let len = value_len(after)?;
            value = match &after[..len] {
                quoted if quoted.starts_with('"') => {
                    serde_json::from_str(quoted).map_err(|e| format!("{quoted}: {e}"))?
                }
                plain if plain.contains(['"', '=']) => return Err(format!("unexpected: {plain}")),
                plain => plain.to_owned(),
            };
            rest = &after[len..];
        }
        pairs.push((key.to_owned(), value));
    }
}

/// Returns the length of a value, including quotes.
fn value_len(text: &str) -> Result<usize, String> {
    let Some(inner) = text.strip_prefix('"') else {
        return Ok(text.find(|c| c <= ' ').unwrap_or(text.len()));
    };
    let mut escaped = false;
    for (at, c) in inner.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Ok(at + 2),
            _ => {}
        }
    }
    Err("unterminated quote".to_owned())
}

fn line_of(message: &str, value: &str) -> String {
    let (mut fields, mut line) = (Fields::default(), String::new());
    fields.put("message", FieldValue::Text(message));
    fields.put("error", FieldValue::Text(value));
    render(&mut line, &LogEntry::of("t", &fields));
    line
}

/// Every character, and texts that imitate the format.
#[test]
fn go_logfmt_decodes_every_line() {
    let all: Vec<char> = ('\0'..=char::MAX).collect();
    let of_all = all.chunks(97).map(String::from_iter);
    let nasty = [
        "",
        " ",
        "=",
        "\"",
        "\\",
        "\\\"",
        "a=\"b\"",
        "\\u{1b}",
        "\\0",
        "\\'",
        "'",
        "\\x1b",
        "\\u12",
        "x\nlevel=error event=close",
        "\u{1b}]0;owned\u{7}",
        "\0\0",
        "\r\n",
        "\u{fffd}",
        "a\u{301}",
    ];
    for text in of_all.chain(nasty.map(str::to_owned)) {
        let line = line_of(&text, &text);
        let body = line.strip_suffix('\n').unwrap();
        assert!(body.chars().all(ron_transport::escape::is_safe));
        let pairs = decoded(body).unwrap_or_else(|why| panic!("{why}: {body}"));
        let names: Vec<_> = pairs.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["ts", "level", "target", "msg", "error"]);
        assert!(pairs[3].1 == text && pairs[4].1 == text, "{body}");
    }
}

#[test]
fn keys_of_dependencies_are_sanitized() {
    for (name, written) in [("a.b", "a.b"), ("a b=\"c\u{e9}\n", "a_b__c__"), ("", "_")] {
        let mut line = String::new();
        key(&mut line, name).unwrap();
        assert_eq!(line, written);
    }
}
