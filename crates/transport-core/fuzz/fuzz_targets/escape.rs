//! Escapes arbitrary bytes, as from a peer.
//!
//! The output must be safe to display and of bounded length, and a JSON decoder must restore the text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use transport_core::escape::{escape, escape_composed, is_safe};

fuzz_target!(|bytes: &[u8]| {
    for shown in [
        escape(bytes).to_string(),
        escape(bytes).quoted().to_string(),
        escape_composed(bytes).to_string(),
    ] {
        assert!(shown.chars().all(is_safe), "{shown:?}");
    }
    assert!(escape(bytes).to_string().len() <= 12 * 256 + "…".len());
    let whole = escape(bytes).quoted().whole().to_string();
    match std::str::from_utf8(bytes) {
        Ok(text) => assert_eq!(serde_json::from_str::<String>(&whole).unwrap(), text),
        Err(_) => assert!(serde_json::from_str::<String>(&whole).is_err()),
    }
});
