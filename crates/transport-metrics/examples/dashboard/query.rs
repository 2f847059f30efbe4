//! Queries, which can name nothing that is not in the table of metrics.

use transport_metrics::{Kind, Metric, METRICS};

/// What the gateway has beside the table; a test of its own compares them with what it serves.
pub(crate) const GATEWAY: &[&str] = &[
    "process_open_fds",
    "process_max_fds",
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "ron_gateway_conns_limit",
    "ron_gateway_peer_conns_limit",
    "ron_gateway_build_info",
];

/// The interval that Grafana chooses for rates.
const INTERVAL: &str = "[$__rate_interval]";

const CHOSEN_BACKEND: &str = ",backend=~\"$backend\"";

/// One expression and how its series are called.
pub(crate) struct Query {
    pub(crate) expr: String,
    pub(crate) legend: String,
    pub(crate) names: Vec<&'static str>,
}

impl Query {
    /// A gauge, added up over what is not asked for.
    pub(crate) fn gauge(name: &'static str, by: &[&str]) -> Self {
        let metric = find(name, by, |kind| kind == Kind::Gauge);
        Self::new(name, sum(by, &selected(metric, "")))
    }

    /// A counter's growth per second.
    pub(crate) fn rate(name: &'static str, by: &[&str]) -> Self {
        let metric = find(name, by, |kind| kind == Kind::Counter);
        Self::new(
            name,
            sum(by, &format!("rate({}{INTERVAL})", selected(metric, ""))),
        )
    }

    /// A counter's growth, for what is rare.
    pub(crate) fn increase(name: &'static str, by: &[&str]) -> Self {
        let metric = find(name, by, |kind| kind == Kind::Counter);
        Self::new(
            name,
            sum(by, &format!("increase({}{INTERVAL})", selected(metric, ""))),
        )
    }

    /// A quantile of a histogram.
    pub(crate) fn quantile(quantile: &str, name: &'static str, by: &[&str]) -> Self {
        let metric = find(name, by, |kind| matches!(kind, Kind::Histogram(_)));
        let rate = format!("rate({}{INTERVAL})", selected(metric, "_bucket"));
        let with_bounds: Vec<_> = by.iter().copied().chain(["le"]).collect();
        let expr = format!(
            "histogram_quantile({quantile}, {})",
            sum(&with_bounds, &rate)
        );
        Self::new(name, expr)
    }

    /// The seconds until a time, where there is one.
    pub(crate) fn until(name: &'static str) -> Self {
        let metric = find(name, &[], |kind| kind == Kind::Gauge);
        Self::new(name, format!("({} > 0) - time()", selected(metric, "")))
    }

    /// A gauge of the gateway.
    pub(crate) fn own(name: &'static str) -> Self {
        Self::new(name, of_gateway(name))
    }

    /// The growth per second of a counter of the gateway.
    pub(crate) fn own_rate(name: &'static str) -> Self {
        Self::new(name, format!("rate({}{INTERVAL})", of_gateway(name)))
    }

    /// As a share of these added up, whatever backend was chosen: it is not known of rejects.
    pub(crate) fn per(mut self, whole: &[Self]) -> Self {
        let of_all = |part: &Self| part.expr.replace(CHOSEN_BACKEND, "");
        let added: Vec<_> = whole.iter().map(of_all).collect();
        self.expr = format!("{} / ({})", self.expr, added.join(" + "));
        self.names.extend(whole.iter().flat_map(|part| &part.names));
        self
    }

    /// What comes after the instance in the name of a series.
    pub(crate) fn legend(mut self, text: &str) -> Self {
        self.legend = format!("{{{{instance}}}} {text}");
        self
    }

    fn new(name: &'static str, expr: String) -> Self {
        Self {
            expr,
            legend: "{{instance}}".to_owned(),
            names: vec![name],
        }
    }
}

/// The metric of this name, which must be of this kind and have these labels.
fn find(name: &str, labels: &[&str], fits: impl Fn(Kind) -> bool) -> &'static Metric {
    let metric = METRICS.iter().find(|metric| metric.name == name);
    let metric = metric.unwrap_or_else(|| panic!("no metric is called {name}"));
    assert!(fits(metric.kind), "{name} is of another kind");
    for label in labels {
        assert!(has(metric, label), "{name} has no label {label}");
    }
    metric
}

fn has(metric: &Metric, label: &str) -> bool {
    metric.labels.iter().any(|known| known.name == label)
}

/// The series of what was chosen on the dashboard.
fn selected(metric: &Metric, suffix: &str) -> String {
    let backend = if has(metric, "backend") {
        CHOSEN_BACKEND
    } else {
        ""
    };
    format!(
        "{}{suffix}{{instance=~\"$instance\"{backend}}}",
        metric.name
    )
}

fn of_gateway(name: &str) -> String {
    assert!(GATEWAY.contains(&name), "the gateway has no {name}");
    format!("{name}{{instance=~\"$instance\"}}")
}

fn sum(by: &[&str], expr: &str) -> String {
    let labels: Vec<_> = std::iter::once("instance")
        .chain(by.iter().copied())
        .collect();
    format!("sum by ({}) ({expr})", labels.join(", "))
}
