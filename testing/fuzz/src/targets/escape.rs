//! Text from peers, escaped for terminals and logs.
//!
//! The output is safe to display and of bounded length, and a JSON decoder restores the text.

use transport_core::escape::{escape, escape_composed, is_safe};

pub(crate) fn run(bytes: &[u8]) {
    for shown in [
        escape(bytes).to_string(),
        escape(bytes).quoted().to_string(),
        escape_composed(bytes).to_string(),
    ] {
        assert!(shown.chars().all(is_safe), "{shown:?}");
    }
    assert!(escape(bytes).to_string().len() <= 12 * 256 + "…".len());
    let whole = escape(bytes).quoted().whole().to_string();
    let decoded = serde_json::from_str::<String>(&whole);
    match std::str::from_utf8(bytes) {
        Ok(text) => assert_eq!(decoded.ok().as_deref(), Some(text)),
        Err(_) => assert!(decoded.is_err(), "{whole}"),
    }
}
