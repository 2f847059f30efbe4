//! Golden files of the log as `json`, which is a contract.
//!
//! They fix the fields of each event, their order and types. A file has each line of its scenario
//! once, sorted, with normalized numbers, times, addresses and file names.
//!
//! `RON_WRITE_LOG_LINES=1 cargo test -p ron-gateway --test it log_lines` rewrites them.

mod scenarios;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::Value;

/// A text that differs from run to run, and its replacement.
type Equal<'a> = (&'a str, &'a str);

/// Compares a log with its golden file.
fn expect(scenario: &str, log: &str, equal: &[Equal<'_>]) {
    let seen: BTreeSet<String> = log.lines().map(|line| normal(line, equal)).collect();
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/log_lines");
    let file = file.join(format!("{scenario}.jsonl"));
    if std::env::var_os("RON_WRITE_LOG_LINES").is_some() {
        let lines: Vec<_> = seen.iter().map(String::as_str).collect();
        std::fs::write(&file, lines.join("\n") + "\n").unwrap();
    }
    let text = std::fs::read_to_string(&file).unwrap();
    let expected: BTreeSet<String> = text.lines().map(str::to_owned).collect();
    let new: Vec<_> = seen.difference(&expected).collect();
    let missing: Vec<_> = expected.difference(&seen).collect();
    assert!(
        new.is_empty() && missing.is_empty(),
        "{scenario}: new {new:#?} missing {missing:#?}\n{log}"
    );
}

/// Normalizes a line, and keeps the order and types of its members.
fn normal(line: &str, equal: &[Equal<'_>]) -> String {
    let members = members(line).into_iter().map(|(name, value)| {
        let value = match (name.as_str(), value) {
            ("ts", Value::String(text)) => {
                assert!(is_time(&text), "{line}");
                "TIME".into()
            }
            ("version", Value::String(_)) => "VERSION".into(),
            (_, Value::String(text)) => text_of(text, equal).into(),
            (_, Value::Number(number)) => {
                assert!(number.is_u64(), "{name} of {line}");
                0.into()
            }
            (_, value) => value,
        };
        format!("{}:{value}", Value::from(name))
    });
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

fn text_of(text: String, equal: &[Equal<'_>]) -> String {
    if text.parse::<SocketAddr>().is_ok() {
        return "ADDRESS".to_owned();
    }
    equal
        .iter()
        .fold(text, |text, (what, name)| text.replace(what, name))
}

/// Returns whether a text has the form `2026-01-31T09:30:00.125Z`.
fn is_time(text: &str) -> bool {
    const FORM: &str = "0000-00-00T00:00:00.000Z";
    let fits = |(c, form): (char, char)| {
        if form == '0' {
            c.is_ascii_digit()
        } else {
            c == form
        }
    };
    text.len() == FORM.len() && text.chars().zip(FORM.chars()).all(fits)
}

/// Returns the members of a flat object in order.
fn members(line: &str) -> Vec<(String, Value)> {
    let inner = line
        .strip_prefix('{')
        .and_then(|line| line.strip_suffix('}'));
    let mut rest = inner.unwrap_or_else(|| panic!("no object: {line}"));
    let mut found: Vec<(String, Value)> = Vec::new();
    while !rest.is_empty() {
        let name = next(&mut rest);
        rest = rest
            .strip_prefix(':')
            .unwrap_or_else(|| panic!("no value: {line}"));
        let value = next(&mut rest);
        rest = rest.strip_prefix(',').unwrap_or(rest);
        let name = name.as_str().unwrap().to_owned();
        assert!(
            found.iter().all(|(known, _)| *known != name),
            "{name} twice: {line}"
        );
        assert!(
            !value.is_object() && !value.is_array() && !value.is_null(),
            "{line}"
        );
        found.push((name, value));
    }
    found
}

/// Parses the value at the start of a text.
fn next(text: &mut &str) -> Value {
    let mut values = serde_json::Deserializer::from_str(text).into_iter();
    let value = values.next().unwrap().unwrap();
    *text = &text[values.byte_offset()..];
    value
}

/// The manual has every event and field of the files.
///
/// The files have every event of the manual that does not need Tor.
#[test]
fn manual_has_every_event_and_field() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let manual = std::fs::read_to_string(root.join("../../docs/OBSERVABILITY.md")).unwrap();
    let (_, logs) = manual.split_once("\n## Logs\n").unwrap();
    let mut events = BTreeSet::new();
    let mut files = 0;
    for file in std::fs::read_dir(root.join("tests/it/log_lines")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().map_or(true, |ending| ending != "jsonl") {
            continue;
        }
        files += 1;
        for line in std::fs::read_to_string(path).unwrap().lines() {
            for (name, value) in members(line) {
                assert!(
                    logs.contains(&format!("`{name}`")),
                    "{name} is not in the manual: {line}"
                );
                if name == "event" {
                    events.insert(value.as_str().unwrap().to_owned());
                }
            }
        }
    }
    assert!(files >= 8, "{files}");
    let (_, table) = logs.split_once("| event |").unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    // These need a stalled service manager, a slow reader, Tor, an expiring CRL, a hook, a
    // handler, an observer or an upgrade of an embedder, or a lack of memory.
    let elsewhere = [
        "systemd",
        "log",
        "bootstrap",
        "crl",
        "admit",
        "handler",
        "overload",
        "upgrade",
        "observer",
        // A reload that removes a listener.
        "listener",
    ];
    let row = |line: &str| line.split('`').nth(1).map(str::to_owned);
    let documented: BTreeSet<String> = table.lines().skip(2).filter_map(row).collect();
    for event in &events {
        assert!(
            documented.contains(event),
            "{event} is not in the manual's table"
        );
    }
    for event in documented
        .iter()
        .filter(|event| !elsewhere.contains(&event.as_str()))
    {
        assert!(events.contains(event), "{event} is in no file");
    }
}

#[test]
fn line_is_normalized_in_order() {
    let line = r#"{"ts":"2026-11-25T23:18:21.072Z","b":"tcp","a":17,"peer":"[::1]:80","error":"at /tmp/x: no","on":true}"#;
    let expected =
        r#"{"ts":"TIME","b":"tcp","a":0,"peer":"ADDRESS","error":"at DIR: no","on":true}"#;
    assert_eq!(normal(line, &[("/tmp/x", "DIR")]), expected);
    assert!(!is_time("2026-11-25 23:18:21.072Z"));
}
