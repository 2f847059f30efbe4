//! Prints a dashboard for Grafana, `docs/ops/grafana.json`, made from the table of metrics:
//! `cargo run -q -p transport-metrics --example dashboard`.
//!
//! A metric or label that the table does not have is an error, and so is a metric of the table that
//! no panel shows.

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
        eprintln!("no panel shows {}", missing.join(", "));
        return ExitCode::FAILURE;
    }
    println!("{:#}", dashboard(&rows));
    ExitCode::SUCCESS
}

type Row = (&'static str, Vec<Panel>);

/// What there is to see, the first look first.
fn rows() -> Vec<Row> {
    vec![
        ("Readiness and traffic", overview()),
        ("Rejects and limits", rejects()),
        ("Handshakes and TLS", handshakes()),
        ("Inside", inside()),
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
            "Changes of readiness",
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
            "Ends of connections",
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
        Panel::lines("Rejects beside accepts and dials", Unit::Share, [share]).threshold(0.01),
        Panel::lines(
            "Peers",
            Unit::Count,
            [
                Query::gauge(names::PEERS_TRACKED, &["backend"]).legend("tracked {{backend}}"),
                Query::gauge(names::PEER_CONNS_MAX, &["backend"])
                    .legend("connections of one, {{backend}}"),
                Query::own("ron_gateway_peer_conns_limit").legend("per_peer.max_conns"),
            ],
        ),
        Panel::lines(
            "Parked by rates and memory",
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
        Panel::figure(
            "Certificate ends in",
            Unit::Seconds,
            Query::until(names::TLS_CERTIFICATE_EXPIRY),
        ),
        Panel::figure(
            "Bootstrap of Tor",
            Unit::Share,
            Query::gauge(names::ARTI_BOOTSTRAP_PROGRESS, &[]),
        ),
    ]
}

fn inside() -> Vec<Panel> {
    let size = |name, text: &str| {
        Query::quantile("0.5", name, &["backend"]).legend(&format!("median {text} {{{{backend}}}}"))
    };
    vec![
        Panel::lines(
            "Memory for peers",
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
            "Refused by a full queue",
            Unit::PerSecond,
            [Query::rate(names::QUEUE_DROPPED, &["queue"]).legend("{{queue}}")],
        ),
        Panel::lines(
            "Size of operations",
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
        "description": "Made from the table of metrics; see docs/OBSERVABILITY.md.",
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
        "panels": panel::laid_out(rows),
    })
}

/// A choice among the values that a label has on a metric.
fn variable(label: &str, of: &str) -> Value {
    let query = format!("label_values({of}, {label})");
    json!({
        "name": label, "label": label, "type": "query", "datasource": panel::source(),
        "definition": query, "query": { "query": query, "refId": label },
        "refresh": 2, "sort": 1, "multi": true, "includeAll": true,
        "current": { "text": "All", "value": "$__all" },
    })
}
