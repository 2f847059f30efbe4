//! Names that documents may use.

use std::collections::{BTreeMap, BTreeSet};

use ron_transport::config::COMPILED_BACKENDS;
use ron_transport::metrics::METRICS;
use ron_transport::{Backend, Config, ErrorKind, TlsErrorKind};

use super::comparisons;
use super::page::{page, root, spans};
use crate::common::Gateway;

/// Names other than metrics, values, fields and keys. Each is in a document.
pub(super) const ELSEWHERE: &[&str] = &[
    // The API.
    "as_str",
    "dial_isolated",
    "env_from_process",
    "into_framed",
    "ready.wait_for",
    "relay_without_half_close",
    "stop_accepting",
    "tls_truncated",
    "transport.dial",
    "transport.prepare_for",
    "transport.readiness",
    "try_send",
    // Members of `/connections`.
    "age_seconds",
    "idle_seconds",
    // A mode of the gateway, and targets of the log.
    "echo_frames",
    "ron_gateway",
    "ron_transport",
    // A function of the kernel, and a mode of key exchange.
    "finish_task_switch",
    "psk_dhe_ke",
    // Mistakes in examples of error messages.
    "RON_TRANSPORT_READ_TIMOUT",
    "transport.max_conn",
    // The variable of `cargo xtask advisories`.
    "RON_ADVISORY_DB",
    // The variable of the simulation.
    "RON_SIM_TRACE",
    // A variable of a named listener.
    "RON_LISTENERS_PUBLIC_READ_TIMEOUT",
    // Variables that Kubernetes injects.
    "RON_TRANSPORT_METRICS_SERVICE_HOST",
    "RON_TRANSPORT_PORT",
    "RON_TRANSPORT_PORT_9444_TCP_ADDR",
    "RON_TRANSPORT_SERVICE_HOST",
    // Settings of Envoy.
    "outlier_detection",
    "source_ip",
    // Prometheus and Loki.
    "TransportTlsStartFailed",
    "count_over_time",
    "job_name",
    "scrape_configs",
    "static_configs",
    // TLS, OpenSSL, nginx, tor and the kernel.
    "access_denied",
    "access_log",
    "authorized_clients",
    "certificate_unknown",
    "SSL_CTX_set_max_cert_list",
    "clock_gettime",
    "close_notify",
    "epoll_ctl",
    "epoll_wait",
    "fail_timeout",
    "hs_ed25519_secret_key",
    "io_uring",
    "keys_path",
    "max_fails",
    "memfd_create",
    "memory.high",
    "memory.limit_in_bytes",
    "memory.max",
    "net.ipv4.tcp_fastopen",
    "net.ipv4.tcp_migrate_req",
    "perf_event_open",
    "proxy_half_close",
    "proxy_next_upstream",
    "proxy_protocol",
    "remote_addr",
    "s_client",
    "unknown_ca",
    "verify_hostname",
    "verify_return_error",
    "x86_64",
];

/// Log fields that no golden file contains.
///
/// They come from embedders, Tor, a slow reader, a CRL, a kernel without a part of the sandbox, a
/// replaced file, and overload.
const OTHER_FIELDS: &[&str] = &[
    "corr_id",
    "progress",
    "dropped",
    "hours_left",
    "partial",
    "path",
    "used_bytes",
    "limit_bytes",
    "source",
    "listeners",
];

/// Sections of keys.
const SECTIONS: &[&str] = &[
    "limits",
    "rates",
    "per_peer",
    "peers",
    "memory",
    "dial",
    "tcp",
    "tls",
    "tls_client",
    "uds",
    "pq",
    "arti",
    "admin",
    "log",
];

/// Every name that documents may use.
pub(super) struct Known {
    names: BTreeSet<String>,
    fields: BTreeSet<String>,
    values: BTreeMap<String, BTreeSet<String>>,
}

impl Known {
    pub(super) fn collect() -> Self {
        let mut known = Self {
            names: BTreeSet::new(),
            fields: OTHER_FIELDS.iter().map(ToString::to_string).collect(),
            values: BTreeMap::new(),
        };
        known.metrics();
        known.keys();
        known.log();
        known.tls_kinds();
        known.alerts();
        known
    }

    /// Returns whether a token starts with the section of a key.
    pub(super) fn is_section(token: &str) -> bool {
        SECTIONS.contains(&token.split('.').next().unwrap_or_default())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        let of_a_value = self.values.values().any(|values| values.contains(name));
        self.names.contains(name) || self.fields.contains(name) || of_a_value
    }

    pub(super) fn is_field(&self, name: &str) -> bool {
        self.fields.contains(name)
    }

    /// Returns the values of a label or a log field.
    pub(super) fn values_of(&self, label: &str) -> Option<&BTreeSet<String>> {
        self.values.get(label)
    }

    /// Adds the metrics of the table and of a running gateway.
    fn metrics(&mut self) {
        let served = Gateway::start(&["--forward", "tcp://127.0.0.1:9"])
            .get("/metrics")
            .body;
        let types = served
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE "));
        let types: Vec<_> = types.map(|line| line.split_once(' ').unwrap()).collect();
        for metric in METRICS {
            let is_served = types.iter().any(|(name, _)| *name == metric.name);
            let other = |needs: Backend| !COMPILED_BACKENDS.contains(&needs);
            assert!(
                is_served || metric.needs.is_some_and(other),
                "{}",
                metric.name
            );
            self.names.insert(metric.name.to_owned());
            for label in metric.labels {
                self.names.insert(label.name.to_owned());
                let values = self.values.entry(label.name.to_owned()).or_default();
                values.extend(label.values.iter().map(ToString::to_string));
            }
        }
        for (name, kind) in types {
            self.names.insert(name.to_owned());
            if kind == "histogram" {
                let parts = ["_bucket", "_count", "_sum"];
                self.names.extend(parts.map(|part| format!("{name}{part}")));
            }
        }
    }

    /// Adds the keys of both tables of the manual, in every spelling.
    ///
    /// They must be the keys of this build.
    fn keys(&mut self) {
        let compiled: BTreeSet<_> = Config::keys().iter().map(|key| key.path).collect();
        let tor = COMPILED_BACKENDS.contains(&Backend::Arti);
        let manual = page("CONFIG.md");
        let (mut ours, mut gateways) = (0, 0);
        for row in manual.rows() {
            let (Some(key), Some(variable)) = (row.cell("key"), row.cell("environment")) else {
                continue;
            };
            let (key, variable) = (key.trim_matches('`'), variable.trim_matches('`'));
            let table = if variable.starts_with("RON_GATEWAY_") {
                gateways += 1;
                "gateway"
            } else {
                ours += 1;
                let of_tor = key.starts_with("arti.") && !tor;
                assert!(compiled.contains(key) || of_tor, "unknown key {key}");
                "transport"
            };
            self.names.insert(key.to_owned());
            self.names.insert(format!("{table}.{key}"));
            self.names.insert(variable.to_owned());
            // A table shows a key without its section.
            if let Some((section, last)) = key.rsplit_once('.') {
                self.names.extend([section, last].map(str::to_owned));
                self.names.insert(format!("{table}.{section}"));
            }
        }
        assert!(
            ours >= compiled.len() && gateways == 11,
            "{ours}, {gateways}"
        );
    }

    /// Adds fields and events of the golden files.
    ///
    /// A `reason` may also be an error kind.
    fn log(&mut self) {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/log_lines");
        for file in std::fs::read_dir(dir).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "jsonl") {
                for line in std::fs::read_to_string(path).unwrap().lines() {
                    self.line(line);
                }
            }
        }
        // A kind that no golden file contains.
        self.values
            .entry("reason".to_owned())
            .or_default()
            .insert(ErrorKind::Via.as_str().to_owned());
        let manual = page("OBSERVABILITY.md");
        let events = manual.rows();
        let events = events.iter().filter_map(|row| row.cell("event"));
        let events = events.flat_map(|cell| spans(cell).map(str::to_owned));
        self.values
            .entry("event".to_owned())
            .or_default()
            .extend(events);
    }

    fn line(&mut self, line: &str) {
        let line: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).unwrap();
        for (field, value) in line {
            if ["event", "reason"].contains(&field.as_str()) {
                let values = self.values.entry(field.clone()).or_default();
                values.extend(value.as_str().map(str::to_owned));
            }
            self.fields.insert(field);
        }
    }

    /// Adds the kinds of TLS failures, of the field `tls`.
    fn tls_kinds(&mut self) {
        let kinds = TlsErrorKind::ALL.map(|kind| kind.as_str().to_owned());
        self.values.insert("tls".to_owned(), kinds.into());
    }

    fn alerts(&mut self) {
        let text = std::fs::read_to_string(root().join("docs/ops/alerts.yml")).unwrap();
        let lines = text.lines().map(str::trim);
        let alerts = lines.filter_map(|line| line.strip_prefix("- alert: "));
        self.names.extend(alerts.map(str::to_owned));
        // A label of the rules that the scrape configuration sets.
        let reach = comparisons(&text)
            .into_iter()
            .filter(|(label, _)| label == "reach");
        let reach: BTreeSet<_> = reach.map(|(_, value)| value).collect();
        self.values.insert("reach".to_owned(), reach);
    }
}
