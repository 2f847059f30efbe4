//! Queries over the metrics table; an unknown name is a panic.

use transport_metrics::{names, Metric, MetricKind, METRICS};

/// The gateway's own metrics, outside of the table.
///
/// A test of the gateway compares them with its `/metrics`.
pub(crate) const GATEWAY: &[&str] = &[
    "process_open_fds",
    "process_max_fds",
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "ron_gateway_conns_limit",
    "ron_gateway_peer_conns_limit",
    "ron_gateway_build_info",
];

/// Grafana's automatic interval for rates.
const INTERVAL: &str = "[$__rate_interval]";

const CHOSEN_BACKEND: &str = ",backend=~\"$backend\"";

/// A PromQL expression and the legend of its series.
pub(crate) struct Query {
    pub(crate) expr: String,
    pub(crate) legend: String,
    pub(crate) names: Vec<&'static str>,
}

impl Query {
    /// A gauge, summed over all labels except `transport` and these.
    pub(crate) fn gauge(name: &'static str, by: &[&str]) -> Self {
        let metric = find(name, by, |kind| kind == MetricKind::Gauge);
        Self::new(name, sum(by, &selected(metric, ""))).named()
    }

    /// A gauge with one value for all transports that share a limiter.
    pub(crate) fn shared(name: &'static str) -> Self {
        let metric = find(name, &[], |kind| kind == MetricKind::Gauge);
        Self::new(
            name,
            format!("max by (instance) ({})", selected(metric, "")),
        )
    }

    /// A counter's increase per second.
    pub(crate) fn rate(name: &'static str, by: &[&str]) -> Self {
        let metric = find(name, by, |kind| kind == MetricKind::Counter);
        Self::new(
            name,
            sum(by, &format!("rate({}{INTERVAL})", selected(metric, ""))),
        )
        .named()
    }

    /// A counter's increase, for rare events.
    pub(crate) fn increase(name: &'static str, by: &[&str]) -> Self {
        let metric = find(name, by, |kind| kind == MetricKind::Counter);
        Self::new(
            name,
            sum(by, &format!("increase({}{INTERVAL})", selected(metric, ""))),
        )
        .named()
    }

    /// A quantile of a histogram.
    pub(crate) fn quantile(quantile: &str, name: &'static str, by: &[&str]) -> Self {
        let metric = find(name, by, |kind| matches!(kind, MetricKind::Histogram(_)));
        let rate = format!("rate({}{INTERVAL})", selected(metric, "_bucket"));
        let with_bounds: Vec<_> = by.iter().copied().chain(["le"]).collect();
        let expr = format!(
            "histogram_quantile({quantile}, {})",
            sum(&with_bounds, &rate)
        );
        Self::new(name, expr).named()
    }

    /// The seconds until a timestamp, for series that have one.
    pub(crate) fn until(name: &'static str) -> Self {
        let metric = find(name, &[], |kind| kind == MetricKind::Gauge);
        Self::new(name, format!("({} > 0) - time()", selected(metric, ""))).named()
    }

    /// A gauge of the gateway.
    pub(crate) fn own(name: &'static str) -> Self {
        Self::new(name, of_gateway(name))
    }

    /// The increase per second of a counter of the gateway.
    pub(crate) fn own_rate(name: &'static str) -> Self {
        Self::new(name, format!("rate({}{INTERVAL})", of_gateway(name)))
    }

    /// Divides by the sum of these queries, over all backends.
    ///
    /// Rejects have no label `backend`, so the selected backend cannot apply.
    pub(crate) fn per(mut self, whole: &[Self]) -> Self {
        let of_all = |part: &Self| part.expr.replace(CHOSEN_BACKEND, "");
        let added: Vec<_> = whole.iter().map(of_all).collect();
        self.expr = format!("{} / ({})", self.expr, added.join(" + "));
        self.names.extend(whole.iter().flat_map(|part| &part.names));
        self
    }

    /// Sets the legend text after the instance, and after the transport's name.
    pub(crate) fn legend(mut self, text: &str) -> Self {
        self.legend = format!("{} {text}", self.legend);
        self
    }

    /// Adds the name of the transport to the legend. It is empty without a name.
    fn named(mut self) -> Self {
        self.legend = format!("{} {{{{{}}}}}", self.legend, names::TRANSPORT_LABEL);
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

/// Returns a metric; panics if its kind or labels do not match.
fn find(name: &str, labels: &[&str], fits: impl Fn(MetricKind) -> bool) -> &'static Metric {
    let metric = METRICS.iter().find(|metric| metric.name == name);
    let metric = metric.unwrap_or_else(|| panic!("the metrics table has no {name}"));
    assert!(fits(metric.kind), "{name} is a metric of another kind");
    for label in labels {
        assert!(has(metric, label), "{name} has no label {label}");
    }
    metric
}

fn has(metric: &Metric, label: &str) -> bool {
    metric.labels.iter().any(|known| known.name == label)
}

/// Selects the series by the dashboard's variables.
fn selected(metric: &Metric, suffix: &str) -> String {
    let backend = if has(metric, "backend") {
        CHOSEN_BACKEND
    } else {
        ""
    };
    format!(
        "{}{suffix}{{instance=~\"$instance\",{label}=~\"$transport\"{backend}}}",
        metric.name,
        label = names::TRANSPORT_LABEL,
    )
}

fn of_gateway(name: &str) -> String {
    assert!(GATEWAY.contains(&name), "GATEWAY does not list {name}");
    format!("{name}{{instance=~\"$instance\"}}")
}

fn sum(by: &[&str], expr: &str) -> String {
    let labels: Vec<_> = ["instance", names::TRANSPORT_LABEL]
        .into_iter()
        .chain(by.iter().copied())
        .collect();
    format!("sum by ({}) ({expr})", labels.join(", "))
}
