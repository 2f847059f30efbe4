//! A strict parser of Prometheus' text format.
//!
//! It panics where a scraper might refuse.

use std::collections::BTreeMap;

/// One metric family.
#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) kind: String,
    pub(crate) help: String,
    /// Sample name and labels as rendered, to value.
    pub(crate) samples: BTreeMap<String, f64>,
}

pub(crate) fn parse(text: &str) -> BTreeMap<String, Family> {
    assert!(text.ends_with('\n'));
    let mut families = BTreeMap::new();
    let mut help: Option<(String, String)> = None;
    let mut current: Option<String> = None;
    for line in text.lines() {
        if line.is_empty() {
            current = None;
        } else if let Some(rest) = line.strip_prefix("# HELP ") {
            assert!(help.is_none() && current.is_none(), "{line}");
            let (name, text) = rest.split_once(' ').unwrap();
            help = Some((name.to_owned(), text.to_owned()));
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            let (described, help) = help.take().expect("HELP before TYPE");
            assert_eq!(described, name);
            assert!(is_name(name), "{line}");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            let family = Family {
                kind: kind.to_owned(),
                help,
                samples: BTreeMap::new(),
            };
            assert!(
                families.insert(name.to_owned(), family).is_none(),
                "{name} twice"
            );
            current = Some(name.to_owned());
        } else {
            let name = current.as_deref().expect("a sample outside a family");
            let family = families.get_mut(name).unwrap();
            let (series, value) = sample(line, name, &family.kind);
            assert!(
                family.samples.insert(series, value).is_none(),
                "{line} twice"
            );
        }
    }
    families
}

fn sample(line: &str, family: &str, kind: &str) -> (String, f64) {
    let (series, value) = line.rsplit_once(' ').unwrap();
    let value: f64 = value.parse().unwrap();
    assert!(value.is_finite(), "{line}");
    assert!(kind == "gauge" || value >= 0.0, "{line}");
    let (name, labels) = match series.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}').unwrap()),
        None => (series, ""),
    };
    let suffix = name.strip_prefix(family).unwrap();
    match kind {
        "histogram" => assert!(["_bucket", "_sum", "_count"].contains(&suffix), "{line}"),
        _ => assert_eq!(suffix, "", "{line}"),
    }
    for label in labels.split(',').filter(|label| !label.is_empty()) {
        let (name, value) = label.split_once('=').unwrap();
        assert!(is_name(name) && !name.contains(':'), "{line}");
        let value = value.strip_prefix('"').unwrap().strip_suffix('"').unwrap();
        let plain = |c: char| c.is_ascii_alphanumeric() || "_.+".contains(c);
        assert!(!value.is_empty() && value.chars().all(plain), "{line}");
    }
    (series.to_owned(), value)
}

fn is_name(name: &str) -> bool {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(first) && name.chars().all(|c| first(c) || c.is_ascii_digit())
}
