//! The metrics table as Markdown.

use std::fmt::Write;

use crate::{Metric, MetricKind, METRICS};

/// Renders [`METRICS`] as a Markdown table, and the buckets as a list.
///
/// The columns are name, type, labels, help and unit.
#[must_use]
pub fn markdown() -> String {
    let mut out = String::from("| name | type | labels | help | unit |\n|---|---|---|---|---|\n");
    for metric in METRICS {
        row(&mut out, metric);
    }
    out.push('\n');
    for metric in METRICS {
        if let MetricKind::Histogram(bounds) = metric.kind {
            let bounds: Vec<String> = bounds.iter().map(ToString::to_string).collect();
            line(
                &mut out,
                format_args!("- Buckets of `{}`: {}", metric.name, bounds.join(", ")),
            );
        }
    }
    out
}

fn row(out: &mut String, metric: &Metric) {
    let Metric { name, help, .. } = metric;
    let kind = match metric.kind {
        MetricKind::Counter => "counter",
        MetricKind::Gauge => "gauge",
        MetricKind::Histogram(_) => "histogram",
    };
    let labels: Vec<String> = metric.labels.iter().map(label).collect();
    let labels = if labels.is_empty() {
        "–".into()
    } else {
        labels.join(", ")
    };
    let needs = match metric.needs {
        Some(backend) => format!(" Only with the backend `{backend}`."),
        None => String::new(),
    };
    let unit = metric.unit.map_or("–", |unit| unit.as_str());
    line(
        out,
        format_args!("| `{name}` | {kind} | {labels} | {help}{needs} | {unit} |"),
    );
}

fn label(label: &crate::Label) -> String {
    let values: Vec<String> = label
        .values
        .iter()
        .map(|value| format!("`{value}`"))
        .collect();
    format!("`{}`={}", label.name, values.join("\\|"))
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a `String` cannot fail.
    let _ = writeln!(out, "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_a_row() {
        let text = markdown();
        for metric in METRICS {
            assert!(
                text.contains(&format!("\n| `{}` | ", metric.name)),
                "{}",
                metric.name
            );
        }
        for row in text.lines().filter(|line| line.starts_with('|')) {
            assert_eq!(row.replace("\\|", "").matches('|').count(), 6, "{row}");
        }
        assert!(text.contains("`backend`=`tcp`\\|`tls`\\|`uds`\\|`arti`, `result`=`ok`\\|`error`"));
        assert!(text.contains("- Buckets of `handshake_latency_seconds`: 0.01, 0.025, 0.05, "));
        assert!(text.contains("- Buckets of `io_read_size_bytes`: 1024, 2048, "));
    }
}
