//! Alerts and dashboard in `docs/ops` use only metrics that exist.

use std::collections::BTreeSet;

use ron_transport::config::COMPILED_BACKENDS;
use ron_transport::metrics::METRICS;

use crate::common::Gateway;

const OPS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/ops/");

/// Starts of lines without an expression.
const NO_EXPR: &[&str] = &[
    "#",
    "summary:",
    "runbook:",
    "severity:",
    "- alert:",
    "- record:",
    "- name:",
];

/// Returns the expressions of the alerts as one text.
fn alerts() -> String {
    let text = std::fs::read_to_string(OPS.to_owned() + "alerts.yml").unwrap();
    let is_expr = |line: &&str| !NO_EXPR.iter().any(|start| line.trim().starts_with(start));
    text.lines().filter(is_expr).collect::<Vec<_>>().join("\n")
}

/// Returns the expressions of the dashboard as one text.
fn dashboard() -> String {
    let text = std::fs::read_to_string(OPS.to_owned() + "grafana.json").unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let panels = json["panels"].as_array().unwrap().iter();
    let targets = panels
        .filter_map(|panel| panel["targets"].as_array())
        .flatten();
    let exprs: Vec<_> = targets
        .map(|target| target["expr"].as_str().unwrap())
        .collect();
    assert!(exprs.len() > 20);
    exprs.join("\n")
}

/// Returns the metric names of expressions: words with a `_`.
fn metrics_of(exprs: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    // Every second part is quoted.
    for part in exprs.split('"').step_by(2) {
        for word in part.split(|c: char| !c.is_ascii_alphanumeric() && !"_:$".contains(c)) {
            let is_name = word.contains('_') && !word.contains(':') && !word.starts_with('$');
            if is_name && word != "histogram_quantile" {
                found.insert(word.trim_end_matches("_bucket").to_owned());
            }
        }
    }
    found
}

/// Returns the values that are compared with a label.
fn values_of<'a>(exprs: &'a str, label: &str) -> Vec<&'a str> {
    let mut parts = exprs.split('"');
    let mut found = Vec::new();
    while let (Some(before), Some(value)) = (parts.next(), parts.next()) {
        let name = before.trim_end_matches(['=', '!', '~']);
        let start = name.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        if &name[start.map_or(0, |at| at + 1)..] == label {
            found.extend(value.split('|').filter(|value| !value.starts_with('$')));
        }
    }
    found
}

#[test]
fn every_named_metric_is_served() {
    let gateway = Gateway::start(&[]);
    let served = gateway.get("/metrics").body;
    let of_another_build = |name: &str| {
        let needs = METRICS.iter().find(|metric| metric.name == name);
        let needs = needs.and_then(|metric| metric.needs);
        needs.is_some_and(|backend| !COMPILED_BACKENDS.contains(&backend))
    };
    for (exprs, least) in [(alerts(), 13), (dashboard(), 30)] {
        let names = metrics_of(&exprs);
        assert!(names.len() >= least, "{names:?}");
        for name in names {
            let is_served = served.contains(&format!("\n# TYPE {name} "));
            assert!(is_served || of_another_build(&name), "{name}");
        }
    }
}

#[test]
fn every_compared_value_exists() {
    let alerts = alerts();
    let mut compared = 0;
    for label in ["backend", "reason", "state", "result"] {
        let labels = METRICS.iter().flat_map(|metric| metric.labels);
        let known: Vec<_> = labels.filter(|known| known.name == label).collect();
        for value in values_of(&alerts, label) {
            assert!(
                known.iter().any(|known| known.values.contains(&value)),
                "{label}={value}"
            );
            compared += 1;
        }
    }
    assert!(compared > 12, "{compared}");
}

#[test]
fn dashboard_filters_instance_and_labels() {
    let text = std::fs::read_to_string(OPS.to_owned() + "grafana.json").unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let variables = json["templating"]["list"].as_array().unwrap();
    let names: Vec<_> = variables
        .iter()
        .map(|v| v["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["datasource", "instance", "transport", "backend"]);
    let exprs = dashboard();
    for expr in exprs.lines() {
        assert!(expr.contains("instance=~\"$instance\""), "{expr}");
    }
    assert!(exprs.matches("backend=~\"$backend\"").count() > 10);
    let of_transport = |expr: &&str| expr.contains("transport=~\"$transport\"");
    assert!(exprs.lines().filter(of_transport).count() > 25);
}
