use proptest::prelude::*;

use super::*;

#[test]
fn plain_text_is_unchanged() {
    for text in ["", "a.example", "it's \"ü\" 中 = €", "spiffe://a/b", "😀"] {
        assert_eq!(escape(text).to_string(), text);
    }
}

#[test]
fn terminal_controls_are_escaped() {
    for (c, escaped) in [
        ('\0', r"\u0000"),
        ('\u{7}', r"\u0007"),
        ('\n', r"\n"),
        ('\r', r"\r"),
        ('\t', r"\t"),
        ('\u{1b}', r"\u001b"),
        ('\u{7f}', r"\u007f"),
        ('\u{85}', r"\u0085"),
        ('\u{9b}', r"\u009b"),
        ('\u{a0}', r"\u00a0"),
        ('\u{ad}', r"\u00ad"),
        ('\u{301}', r"\u0301"),
        ('\u{61c}', r"\u061c"),
        ('\u{200b}', r"\u200b"),
        ('\u{200d}', r"\u200d"),
        ('\u{200e}', r"\u200e"),
        ('\u{2028}', r"\u2028"),
        ('\u{2029}', r"\u2029"),
        ('\u{202a}', r"\u202a"),
        ('\u{202e}', r"\u202e"),
        ('\u{2060}', r"\u2060"),
        ('\u{2066}', r"\u2066"),
        ('\u{2069}', r"\u2069"),
        ('\u{3164}', r"\u3164"),
        ('\u{e000}', r"\ue000"),
        ('\u{fe0f}', r"\ufe0f"),
        ('\u{feff}', r"\ufeff"),
        ('\u{e0041}', r"\udb40\udc41"),
        ('\u{10ffff}', r"\udbff\udfff"),
    ] {
        assert!(!is_safe(c), "{escaped}");
        let text = format!("a{c}b");
        assert_eq!(escape(&text).to_string(), format!("a{escaped}b"));
        assert_eq!(escape_composed(&text).to_string(), format!("a{escaped}b"));
        assert_eq!(
            escape(&text).quoted().to_string(),
            format!("\"a{escaped}b\"")
        );
    }
}

#[test]
fn escapes_cannot_be_imitated() {
    assert_eq!(escape(r"a\u001b").to_string(), r"a\\u001b");
    assert_eq!(escape("a\" x=\"1").quoted().to_string(), r#""a\" x=\"1""#);
    assert_eq!(escape_composed(r"a\u001b").to_string(), r"a\u001b");
}

#[test]
fn invalid_utf8_is_shown_as_hex() {
    assert_eq!(escape(b"\x00\xffa\xc3").to_string(), r"\u0000\xffa\xc3");
    // A surrogate, an overlong slash, and a sequence that is cut.
    assert_eq!(escape(b"\xed\xa0\x80").to_string(), r"\xed\xa0\x80");
    assert_eq!(escape(b"\xc0\xaf\xe2\x80").to_string(), r"\xc0\xaf\xe2\x80");
}

#[test]
fn long_text_is_cut_and_marked() {
    let long = "é".repeat(10_000);
    let shown = escape(&long).to_string();
    assert_eq!(shown.chars().count(), MAX_CHARS + 1);
    assert!(shown.ends_with('…'));
    assert_eq!(escape(&long[..2 * MAX_CHARS]).to_string(), long[..512]);
    assert_eq!(escape("abc").quoted().max_chars(2).to_string(), "\"ab\"…");
    assert_eq!(escape(b"ab\xff\xff").max_chars(3).to_string(), r"ab\xff…");
    assert_eq!(escape_composed(&long).to_string(), long);
}

fn hostile() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..600),
        proptest::collection::vec(any::<char>(), 0..300)
            .prop_map(|chars| chars.into_iter().collect::<String>().into_bytes()),
    ]
}

proptest! {
    #[test]
    fn output_is_safe_and_bounded(text in hostile(), max in 0_usize..300) {
        for shown in [
            escape(&text).max_chars(max).to_string(),
            escape(&text).max_chars(max).quoted().to_string(),
        ] {
            prop_assert!(shown.chars().all(is_safe), "{shown:?}");
            // The longest escape is a pair of surrogates.
            prop_assert!(shown.len() <= 12 * max + "\"\"…".len());
        }
        prop_assert!(escape_composed(&text).to_string().chars().all(is_safe));
    }

    #[test]
    fn inner_quotes_are_escaped(text in hostile()) {
        let shown = escape(&text).quoted().whole().to_string();
        let inner = shown.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap();
        let mut escaped = false;
        for c in inner.chars() {
            prop_assert!(escaped || c != '"');
            escaped = !escaped && c == '\\';
        }
        prop_assert!(!escaped);
    }

    #[test]
    fn different_texts_stay_different(a in hostile(), b in hostile()) {
        let shown = |text: &[u8]| escape(text).whole().to_string();
        prop_assert_eq!(a == b, shown(&a) == shown(&b));
    }
}
