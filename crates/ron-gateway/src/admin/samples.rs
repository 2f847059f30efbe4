//! The metrics as JSON, for the status page.

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
