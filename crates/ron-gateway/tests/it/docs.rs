//! The documents in `docs/` name only existing things.
//!
//! The runbook has every drill.

mod known;
mod page;
mod proofs;
mod runbook;

use std::collections::BTreeSet;

use known::{Known, ELSEWHERE};
use page::{pages, words};

/// File endings: a token with one is not a key.
const FILES: &[&str] = &[
    ".rs", ".md", ".yml", ".json", ".toml", ".pem", ".conf", ".service", ".socket", ".tmp",
];

/// Documents about the Rust API, whose programs are compiled instead.
const API_PAGES: &[&str] = &["EMBEDDING.md"];

#[test]
fn every_documented_name_exists() {
    let known = Known::collect();
    let mut wrong = Vec::new();
    let (mut looked_at, mut elsewhere) = (0, BTreeSet::new());
    for page in operator_pages() {
        for (line, text) in page.lines() {
            for name in words(text).flat_map(names) {
                looked_at += 1;
                if ELSEWHERE.contains(&name.as_str()) {
                    elsewhere.insert(name);
                } else if !known.has(&name) {
                    wrong.push(format!("{}:{line}: {name}", page.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "unknown names: {wrong:#?}");
    assert!(looked_at > 500, "{looked_at}");
    for name in ELSEWHERE {
        assert!(elsewhere.contains(*name), "{name} is in no document");
    }
}

/// Returns the documents but for those about the Rust API.
fn operator_pages() -> Vec<page::Page> {
    let mut pages = pages();
    pages.retain(|page| !API_PAGES.contains(&page.name.as_str()));
    pages
}

/// Returns the names in a word that differ from ordinary text.
///
/// These have a `_`, or are a key with its section, a variable, a flag or an alert.
fn names(word: &str) -> Vec<String> {
    let is_path = ["/", "::", "\\", "~"]
        .iter()
        .any(|sign| word.contains(sign));
    if is_path {
        return Vec::new();
    }
    let tokens = word.split(|c: char| !c.is_ascii_alphanumeric() && !"_.-".contains(c));
    let tokens = tokens.map(|token| token.trim_matches(['.', '-']));
    tokens.filter_map(name).collect()
}

fn name(token: &str) -> Option<String> {
    if FILES.iter().any(|ending| token.ends_with(ending)) {
        return None;
    }
    let of_a_section = token.contains('.') && Known::is_section(token);
    let flag = token.starts_with("transport.") || token.starts_with("gateway.");
    if flag {
        return Some(token.replace('-', "_"));
    }
    let is_alert = token.strip_prefix("Transport");
    let is_alert = is_alert.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()));
    // A word with a trailing `_` is a prefix of names. Of words in capitals, only variables are
    // ours.
    let is_name = token.contains('_') && !token.starts_with('_') && !token.ends_with('_');
    let is_name = is_name && (token.starts_with("RON_") || token != token.to_ascii_uppercase());
    (is_name || of_a_section || is_alert).then(|| token.to_owned())
}

#[test]
fn every_documented_value_exists() {
    let known = Known::collect();
    let mut wrong = Vec::new();
    let mut compared = 0;
    for page in operator_pages() {
        for (line, text) in page.lines() {
            for (label, value) in comparisons(text) {
                let Some(values) = known.values_of(&label) else {
                    continue;
                };
                compared += 1;
                if !values.contains(value.as_str()) {
                    wrong.push(format!("{}:{line}: {label}={value}", page.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "impossible values: {wrong:#?}");
    assert!(compared > 50, "{compared}");
}

/// Returns every `name=value`, including `!=`, `=~`, quotes and alternatives.
fn comparisons(text: &str) -> Vec<(String, String)> {
    let text = ["!=", "=~", "!~"]
        .iter()
        .fold(text.replace('\\', ""), |text, sign| text.replace(sign, "="));
    let mut found = Vec::new();
    for (at, _) in text.match_indices('=') {
        let (before, after) = (&text[..at], &text[at + 1..]);
        let start = before.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let label = &before[start.map_or(0, |at| at + 1)..];
        let is_value =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-|\"".contains(c);
        let end = after.find(|c| !is_value(c)).unwrap_or(after.len());
        let (mut values, rest) = after.split_at(end);
        if rest.starts_with('=') {
            // `a=b|c=d`: the last alternative is the next label.
            values = values.rsplit_once('|').map_or("", |(values, _)| values);
        }
        let values = values.split(['|', '"']).filter(|value| !value.is_empty());
        found.extend(values.map(|value| (label.to_owned(), value.to_owned())));
    }
    found
}

/// Fields such as `peer=`, alone or with a value.
#[test]
fn every_documented_log_field_exists() {
    let known = Known::collect();
    let mut wrong = Vec::new();
    let mut looked_at = 0;
    for page in pages() {
        for code in page.code().into_iter().filter(|code| !code.is_block) {
            let Some((field, _)) = code.text.split_once('=') else {
                continue;
            };
            if field.is_empty() || !field.chars().all(|c| c.is_ascii_lowercase() || c == '_') {
                continue;
            }
            looked_at += 1;
            if !known.is_field(field) && known.values_of(field).is_none() {
                wrong.push(format!("{}:{}: {}", page.name, code.line, code.text));
            }
        }
    }
    assert!(wrong.is_empty(), "unknown fields: {wrong:#?}");
    assert!(looked_at > 40, "{looked_at}");
}

#[test]
fn names_and_values_are_extracted() {
    let found = |word: &str| names(word).join(" ");
    assert_eq!(found("rejected_total{reason=\"tls\"}"), "rejected_total");
    assert_eq!(found("--transport.max-conns"), "transport.max_conns");
    assert_eq!(found("tls.alpn,"), "tls.alpn");
    assert_eq!(
        found("RON_TRANSPORT_BIND_ADDR=0.0.0.0:1"),
        "RON_TRANSPORT_BIND_ADDR"
    );
    assert_eq!(found("TransportDown:"), "TransportDown");
    for nothing in [
        "a/b_c",
        "x::y_z",
        "gateway.toml",
        "process_",
        "SO_PEERCRED",
        "1.80.0",
    ] {
        assert_eq!(found(nothing), "");
    }
    let pair = |label: &str, value: &str| (label.to_owned(), value.to_owned());
    let both = vec![pair("reason", "starting"), pair("reason", "stopped")];
    assert_eq!(comparisons("x{reason!~\"starting|stopped\"}"), both);
    assert_eq!(
        comparisons("event=reload result="),
        [pair("event", "reload")]
    );
    let both = vec![pair("event", "reject"), pair("result", "rejected")];
    assert_eq!(comparisons("'event=reject|result=rejected'"), both);
}
