//! Prints the Grafana dashboard `docs/ops/grafana.json`, generated from the metrics table.
//!
//! Run it with `cargo run -q -p transport-metrics --example dashboard`. A panel with an unknown metric
//! or label is an error, and so is a metric without a panel.

mod panel;
mod query;

use std::process::ExitCode;

use serde_json::{json, Value};
use transport_metrics::{names, METRICS};

use panel::{Panel, Unit};
use query::{Query, GATEWAY};

fn main() -> ExitCode {
    let rows = rows();
    let shown = |name: &str| {
        let mut panels = rows.iter().flat_map(|(_, panels)| panels);
        panels.any(|panel| {
            panel
                .queries
                .iter()
                .any(|query| query.names.contains(&name))
        })
    };
    let all = METRICS
        .iter()
        .map(|metric| metric.name)
        .chain(GATEWAY.iter().copied());
    let missing: Vec<_> = all.filter(|name| !shown(name)).collect();
    if !missing.is_empty() {
        eprintln!("metrics without a panel: {}", missing.join(", "));
        return ExitCode::FAILURE;
    }
    println!("{:#}", dashboard(&rows));
    ExitCode::SUCCESS
}

type Row = (&'static str, Vec<Panel>);

/// The rows of panels, the most important first.
fn rows() -> Vec<Row> {
    vec![
        ("Readiness and traffic", overview()),
        ("Rejects and limits", rejects()),
        ("Handshakes and TLS", handshakes()),
        ("Internals", internals()),
        ("Process", process()),
    ]
}

fn overview() -> Vec<Panel> {
    let accepts = Query::rate(names::ACCEPTS, &["backend"]).legend("accepts {{backend}}");
    let dials =
        Query::rate(names::DIALS, &["backend", "result"]).legend("dials {{backend}} {{result}}");
    let changes = Query::increase(names::READINESS_TRANSITIONS, &["state", "reason"]);
    vec![
        Panel::readiness("Readiness", Query::gauge(names::READINESS, &[])),
        Panel::lines(
            "Readiness changes",
            Unit::Count,
            [changes.legend("{{state}} {{reason}}")],
        ),
        Panel::lines(
            "Connections in flight",
            Unit::Count,
            [
                Query::gauge(names::CONN_INFLIGHT, &["backend"]).legend("{{backend}}"),
                Query::own("ron_gateway_conns_limit").legend("max_conns"),
            ],
        ),
        Panel::lines("Accepts and dials", Unit::PerSecond, [accepts, dials]),
        Panel::lines(
            "Throughput",
            Unit::BytesPerSecond,
            [
                Query::rate(names::BYTES_IN, &["backend"]).legend("in {{backend}}"),
                Query::rate(names::BYTES_OUT, &["backend"]).legend("out {{backend}}"),
            ],
        ),
        Panel::lines(
            "Closed connections",
            Unit::PerSecond,
            [Query::rate(names::CLOSES, &["backend", "reason"]).legend("{{backend}} {{reason}}")],
        ),
    ]
}

fn rejects() -> Vec<Panel> {
    let share = Query::rate(names::REJECTED, &[]).per(&[
        Query::rate(names::ACCEPTS, &[]),
        Query::rate(names::DIALS, &[]),
    ]);
    vec![
        Panel::lines(
            "Rejects",
            Unit::PerSecond,
            [Query::rate(names::REJECTED, &["reason"]).legend("{{reason}}")],
        ),
        Panel::lines("Rejects per accept and dial", Unit::Share, [share]).threshold(0.01),
        Panel::lines(
            "Peers",
            Unit::Count,
            [
                Query::gauge(names::PEERS_TRACKED, &["backend"]).legend("tracked {{backend}}"),
                Query::gauge(names::PEER_CONNS_MAX, &["backend"])
                    .legend("most connections of one, {{backend}}"),
                Query::own("ron_gateway_peer_conns_limit").legend("per_peer.max_conns"),
            ],
        ),
        Panel::lines(
            "Throttled by rates and memory",
            Unit::Seconds,
            [Query::rate(names::THROTTLE, &["scope", "direction"])
                .legend("{{scope}} {{direction}}")],
        ),
    ]
}

fn handshakes() -> Vec<Panel> {
    let of = |quantile, text: &str| {
        let query = Query::quantile(quantile, names::HANDSHAKE_LATENCY, &["backend"]);
        query.legend(&format!("{text} {{{{backend}}}}"))
    };
    vec![
        Panel::lines(
            "Time to an established connection",
            Unit::Seconds,
            [of("0.5", "p50"), of("0.95", "p95"), of("0.99", "p99")],
        )
        .threshold(0.08),
        Panel::lines(
            "TLS handshakes",
            Unit::PerSecond,
            [
                Query::rate(names::TLS_HANDSHAKES, &["kx", "resumed", "result"])
                    .legend("{{kx}} {{result}}, resumed {{resumed}}"),
            ],
        ),
        Panel::lines(
            "PROXY headers",
            Unit::PerSecond,
            [Query::rate(names::PROXY_HEADERS, &["version", "result"])
                .legend("{{version}} {{result}}")],
        ),
        Panel::figure(
            "Certificate expires in",
            Unit::Seconds,
            Query::until(names::TLS_CERTIFICATE_EXPIRY),
        ),
        Panel::figure(
            "CRL expires in",
            Unit::Seconds,
            Query::until(names::TLS_CRL_EXPIRY),
        ),
        Panel::figure(
            "Tor bootstrap",
            Unit::Share,
            Query::gauge(names::ARTI_BOOTSTRAP_PROGRESS, &[]),
        ),
    ]
}

fn internals() -> Vec<Panel> {
    let size = |name, text: &str| {
        Query::quantile("0.5", name, &["backend"]).legend(&format!("median {text} {{{{backend}}}}"))
    };
    vec![
        Panel::lines(
            "Memory held for peers",
            Unit::Bytes,
            [
                Query::gauge(names::MEMORY_HELD, &[]).legend("held"),
                Query::gauge(names::MEMORY_LIMIT, &[]).legend("limit"),
            ],
        ),
        Panel::lines(
            "Queues",
            Unit::Count,
            [Query::gauge(names::QUEUE_DEPTH, &["queue"]).legend("in {{queue}}")],
        ),
        Panel::lines(
            "Dropped by full queues",
            Unit::PerSecond,
            [Query::rate(names::QUEUE_DROPPED, &["queue"]).legend("{{queue}}")],
        ),
        Panel::lines(
            "Operation size",
            Unit::Bytes,
            [
                size(names::IO_READ_SIZE, "read"),
                size(names::IO_WRITE_SIZE, "write"),
            ],
        ),
        Panel::lines(
            "Tasks",
            Unit::PerSecond,
            [
                Query::rate(names::TASKS_SPAWNED, &["kind"]).legend("spawned {{kind}}"),
                Query::rate(names::TASKS_ABORTED, &["kind"]).legend("aborted {{kind}}"),
            ],
        ),
        Panel::lines(
            "Reloads",
            Unit::Count,
            [Query::increase(names::RELOADS, &["result"]).legend("{{result}}")],
        ),
    ]
}

fn process() -> Vec<Panel> {
    vec![
        Panel::lines(
            "Descriptors",
            Unit::Count,
            [
                Query::own("process_open_fds").legend("open"),
                Query::own("process_max_fds").legend("limit"),
            ],
        ),
        Panel::lines(
            "Memory",
            Unit::Bytes,
            [Query::own("process_resident_memory_bytes")],
        ),
        Panel::lines(
            "CPU",
            Unit::Share,
            [Query::own_rate("process_cpu_seconds_total")],
        ),
        Panel::table("Version", Query::own("ron_gateway_build_info")),
    ]
}

fn dashboard(rows: &[Row]) -> Value {
    json!({
        "title": "ron-transport",
        "uid": "ron-transport",
        "description": "Generated from the metrics table; see docs/OBSERVABILITY.md.",
        "tags": ["ron-transport"],
        "schemaVersion": 39,
        "editable": true,
        "refresh": "30s",
        "time": { "from": "now-3h", "to": "now" },
        "templating": { "list": [
            { "name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source" },
            variable("instance", names::READINESS),
            variable("backend", names::CONN_INFLIGHT),
        ] },
        "panels": panel::layout(rows),
    })
}

/// A dashboard variable with the values of a metric's label.
fn variable(label: &str, of: &str) -> Value {
    let query = format!("label_values({of}, {label})");
    json!({
        "name": label, "label": label, "type": "query", "datasource": panel::source(),
        "definition": query, "query": { "query": query, "refId": label },
        "refresh": 2, "sort": 1, "multi": true, "includeAll": true,
        "current": { "text": "All", "value": "$__all" },
    })
}
