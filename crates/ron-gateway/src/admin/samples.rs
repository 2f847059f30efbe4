//! The metrics as JSON, for the status page.

use std::collections::HashMap;

use serde_json::{Map, Value};

/// Returns every sample by name.
///
/// `{"conn_inflight":[{"backend":"tcp","value":3}]}`; a value that is not finite is `null`.
pub(super) fn json(exposition: &str) -> Value {
    let mut families: Map<String, Value> = Map::new();
    for line in exposition.lines() {
        let Some((name, sample)) = sample(line) else {
            continue;
        };
        let family = families
            .entry(name)
            .or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(samples) = family {
            samples.push(Value::Object(sample));
        }
    }
    Value::Object(families)
}

/// Omits the series of transports that do not run.
///
/// The recorder keeps the series of a removed listener, and an alert would fire on its readiness.
pub(super) fn of_transports(exposition: &str, running: &[&str]) -> String {
    let is_kept = |line: &&str| match transport(line) {
        Some(name) => running.contains(&name),
        None => true,
    };
    let kept = exposition.lines().filter(is_kept);
    kept.fold(String::with_capacity(exposition.len()), |text, line| {
        text + line + "\n"
    })
}

/// Joins the series of all transports, for the status page.
pub(super) fn without_transport(exposition: &str) -> String {
    let mut joined: Vec<(String, f64)> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    for (series, value) in exposition.lines().filter_map(split) {
        let series = match transport(series) {
            Some(name) => strip(series, name),
            None => series.to_owned(),
        };
        let Ok(value) = value.parse::<f64>() else {
            continue;
        };
        match known.get(&series) {
            Some(at) => joined[*at].1 = join(&series, joined[*at].1, value),
            None => {
                known.insert(series.clone(), joined.len());
                joined.push((series, value));
            }
        }
    }
    let lines = joined
        .iter()
        .map(|(series, value)| format!("{series} {value}\n"));
    lines.collect()
}

/// Returns the value of a series for all transports.
fn join(series: &str, one: f64, other: f64) -> f64 {
    let name = series.split('{').next().unwrap_or_default();
    if name == "transport_readiness" || name.ends_with("_timestamp_seconds") {
        // The worst, and the next to expire; 0 is no certificate.
        match (one == 0.0 && name != "transport_readiness", other == 0.0) {
            (true, _) => other,
            (false, true) if name != "transport_readiness" => one,
            _ => one.min(other),
        }
    } else if SHARED.contains(&name) {
        one.max(other)
    } else {
        one + other
    }
}

/// Gauges of what all transports share.
const SHARED: &[&str] = &[
    "memory_limit_bytes",
    "peer_conns_max",
    "arti_bootstrap_progress",
];

/// Returns the value of the label `transport` of a line.
fn transport(line: &str) -> Option<&str> {
    if line.starts_with('#') {
        return None;
    }
    let (_, rest) = line.split_once("transport=\"")?;
    Some(rest.split_once('"')?.0)
}

/// Returns a series without its label `transport`.
fn strip(series: &str, name: &str) -> String {
    let label = format!("transport=\"{name}\"");
    let series = series.replacen(&format!("{label},"), "", 1);
    let series = series.replacen(&format!(",{label}"), "", 1);
    series.replacen(&format!("{{{label}}}"), "", 1)
}

/// Splits a line into series and value; `None` for a comment.
pub(super) fn split(line: &str) -> Option<(&str, &str)> {
    if line.starts_with('#') {
        return None;
    }
    line.rsplit_once(' ')
}

/// Splits a series into name and labels.
///
/// Our label values are words and numbers, without escapes.
pub(super) fn series(text: &str) -> Option<(&str, Map<String, Value>)> {
    let (name, labels) = match text.split_once('{') {
        Some((name, labels)) => (name, labels.trim_end_matches('}')),
        None => (text, ""),
    };
    let mut found = Map::new();
    for label in labels.split(',').filter(|label| !label.is_empty()) {
        let (label, text) = label.split_once('=')?;
        found.insert(label.to_owned(), text.trim_matches('"').into());
    }
    Some((name, found))
}

fn sample(line: &str) -> Option<(String, Map<String, Value>)> {
    let (text, value) = split(line)?;
    let (name, mut sample) = series(text)?;
    sample.insert("value".to_owned(), number(value));
    Some((name.to_owned(), sample))
}

/// Parses a number; a whole number stays an integer.
fn number(text: &str) -> Value {
    text.parse::<u64>()
        .map(Value::from)
        .or_else(|_| text.parse::<f64>().map(Value::from))
        .unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn samples_have_their_labels() {
        let text = "# HELP a What.\n# TYPE a counter\na{x=\"y\",le=\"0.5\"} 3\na{x=\"z\",le=\"+Inf\"} 4\n\n\
                    b 0.25\nc +Inf\nd NaN\n";
        let expected = json!({
            "a": [{"x": "y", "le": "0.5", "value": 3}, {"x": "z", "le": "+Inf", "value": 4}],
            "b": [{"value": 0.25}],
            "c": [{"value": null}],
            "d": [{"value": null}],
        });
        assert_eq!(json(text), expected);
    }

    #[test]
    fn series_of_transports_are_joined() {
        let text = "# TYPE a counter\na{transport=\"x\",b=\"1\"} 3\na{transport=\"y\",b=\"1\"} 4\n\
                    transport_readiness{transport=\"x\"} 2\ntransport_readiness{transport=\"y\"} 0\n\
                    c{le=\"1\",transport=\"y\"} 1\nd 5\n";
        let joined = "a{b=\"1\"} 7\ntransport_readiness 0\nc{le=\"1\"} 1\nd 5\n";
        assert_eq!(without_transport(text), joined);
        let of_x = of_transports(text, &["x"]);
        assert!(!of_x.contains("\"y\"") && of_x.contains("\"x\"") && of_x.ends_with("d 5\n"));
    }

    #[test]
    fn every_sample_of_the_exporter_is_parsed() {
        let prometheus = ron_transport::metrics::Prometheus::new().unwrap();
        let backends = ron_transport::config::COMPILED_BACKENDS;
        let recorder = prometheus.recorder();
        let observer = ron_transport::metrics::MetricsObserver::with_recorder(recorder, backends);
        let text = prometheus.render();
        let lines = text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty());
        let json = json(&text);
        let samples = json.as_object().unwrap().values();
        let count: usize = samples.map(|family| family.as_array().unwrap().len()).sum();
        assert_eq!(count, lines.count());
        assert!(count > 50);
        drop(observer);
    }
}
