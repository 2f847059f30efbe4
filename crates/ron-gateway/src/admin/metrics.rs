//! Metrics of the process and the build.

use std::fmt::{Display, Write};

use crate::process::ProcessFigures;
use crate::upstream::TargetStatus;

/// Figures of the service itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct ServiceFigures {
    /// The active cap.
    pub(super) conns: u64,
    /// The active cap; 0 means none.
    pub(super) peer_conns: u64,
    /// In Unix seconds.
    pub(super) started: f64,
    pub(super) log_lines_dropped: u64,
    pub(super) admin_requests: u64,
    pub(super) admin_evicted: u64,
    /// Used memory divided by its limit.
    pub(super) memory_pressure: f64,
    /// Tasks of all runtimes that have not ended.
    pub(super) tasks: usize,
}

/// Renders the figures in Prometheus' text format.
pub(super) fn render(own: ServiceFigures) -> String {
    text(&ProcessFigures::read(), own)
}

fn text(figures: &ProcessFigures, own: ServiceFigures) -> String {
    let ProcessFigures {
        open_fds,
        max_fds,
        cpu_seconds,
        resident_bytes,
        heap_bytes,
    } = figures;
    let mut out = String::new();
    let mut metric =
        |name: &str, kind: &str, help: &str, labels: &str, value: Option<&dyn Display>| {
            if let Some(value) = value {
                // Writing to a string does not fail.
                let _ = write!(
                    out,
                    "# HELP {name} {help}\n# TYPE {name} {kind}\n{name}{labels} {value}\n\n"
                );
            }
        };
    metric(
        "process_open_fds",
        "gauge",
        "Open file descriptors.",
        "",
        open_fds.as_ref().map(|n| n as &dyn Display),
    );
    // An unlimited process has the value `+Inf`, instead of no series.
    let max_fds = max_fds.map_or("+Inf".to_owned(), |n| n.to_string());
    metric(
        "process_max_fds",
        "gauge",
        "Limit on open file descriptors.",
        "",
        Some(&max_fds),
    );
    metric(
        "process_cpu_seconds_total",
        "counter",
        "User and system CPU time, in seconds.",
        "",
        Some(cpu_seconds),
    );
    metric(
        "process_resident_memory_bytes",
        "gauge",
        "ResidentMemory memory, in bytes.",
        "",
        resident_bytes.as_ref().map(|n| n as &dyn Display),
    );
    metric(
        "process_start_time_seconds",
        "gauge",
        "Start time of the process, in Unix seconds.",
        "",
        Some(&own.started),
    );
    metric(
        "ron_gateway_log_lines_dropped_total",
        "counter",
        "Log lines that were not written: a write failed, or the reader was too slow.",
        "",
        Some(&own.log_lines_dropped),
    );
    metric(
        "ron_gateway_conns_limit",
        "gauge",
        "Limit on accepted connections: max_conns.",
        "",
        Some(&own.conns),
    );
    metric(
        "ron_gateway_peer_conns_limit",
        "gauge",
        "Limit on connections of one peer: per_peer.max_conns; 0 without a limit.",
        "",
        Some(&own.peer_conns),
    );
    metric(
        "ron_gateway_admin_requests_total",
        "counter",
        "Complete requests to the admin endpoint.",
        "",
        Some(&own.admin_requests),
    );
    metric(
        "ron_gateway_admin_evicted_total",
        "counter",
        "Connections to the admin endpoint that were evicted for a new one.",
        "",
        Some(&own.admin_evicted),
    );
    metric(
        "ron_gateway_memory_pressure_ratio",
        "gauge",
        "Memory in use divided by the limit of memory.pressure; 0 without a limit. New connections are refused from 1 until below 0.9.",
        "",
        Some(&own.memory_pressure),
    );
    metric(
        "ron_gateway_tasks",
        "gauge",
        "Tasks of all runtimes that have not ended.",
        "",
        Some(&own.tasks),
    );
    metric(
        "ron_gateway_heap_committed_bytes",
        "gauge",
        "Memory that the allocator has from the system: in use, or retained for reuse.",
        "",
        heap_bytes.as_ref().map(|n| n as &dyn Display),
    );
    metric(
        "ron_gateway_build_info",
        "gauge",
        "Always 1; the label is the version.",
        concat!("{version=\"", env!("CARGO_PKG_VERSION"), "\"}"),
        Some(&1),
    );
    out
}

/// Renders the state of the upstream targets of each listener.
pub(super) fn upstreams<'a>(
    listeners: impl Iterator<Item = (Option<&'a str>, Vec<TargetStatus>)>,
) -> String {
    let mut samples = String::new();
    for (name, targets) in listeners {
        let name = name.map(|name| format!("transport=\"{name}\","));
        let name = name.unwrap_or_default();
        for (index, target) in targets.iter().enumerate() {
            let state = u8::from(target.is_available);
            // Writing to a string does not fail.
            let _ = writeln!(
                samples,
                "upstream_state{{{name}target_index=\"{index}\"}} {state}"
            );
        }
    }
    if samples.is_empty() {
        return samples;
    }
    let help = "Whether an upstream target may be dialed: 1, or 0 while it rests after a failure.";
    format!("# HELP upstream_state {help}\n# TYPE upstream_state gauge\n{samples}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstream_state_has_a_series_per_target() {
        let target = |is_available| TargetStatus {
            target: "tcp://a:1".to_owned(),
            is_available,
        };
        let unnamed = (None, vec![target(true), target(false)]);
        let text = upstreams([unnamed, (Some("edge"), vec![target(true)])].into_iter());
        let expected = "gauge\nupstream_state{target_index=\"0\"} 1\n\
                        upstream_state{target_index=\"1\"} 0\n\
                        upstream_state{transport=\"edge\",target_index=\"0\"} 1\n\n";
        assert!(
            text.ends_with(expected) && !text.contains("tcp://"),
            "{text}"
        );
        assert_eq!(upstreams([(None, Vec::new())].into_iter()), "");
    }

    #[test]
    fn every_sample_has_help_and_type() {
        let figures = ProcessFigures {
            open_fds: Some(12),
            max_fds: None,
            cpu_seconds: 0.25,
            resident_bytes: None,
            heap_bytes: Some(65_536),
        };
        let own = ServiceFigures {
            conns: 5,
            peer_conns: 0,
            started: 1_767_225_600.25,
            log_lines_dropped: 3,
            admin_requests: 4,
            admin_evicted: 2,
            memory_pressure: 0.25,
            tasks: 6,
        };
        let text = text(&figures, own);
        assert!(text.contains("gauge\nprocess_start_time_seconds 1767225600.25\n"));
        assert!(text.contains("counter\nron_gateway_log_lines_dropped_total 3\n"));
        assert!(text.contains("counter\nron_gateway_admin_requests_total 4\n"));
        assert!(text.contains("counter\nron_gateway_admin_evicted_total 2\n"));
        assert!(text.contains("gauge\nron_gateway_conns_limit 5\n"));
        assert!(text.contains("gauge\nron_gateway_peer_conns_limit 0\n"));
        assert!(text.contains("gauge\nron_gateway_memory_pressure_ratio 0.25\n"));
        assert!(text.contains("gauge\nron_gateway_tasks 6\n"));
        assert!(text.contains("gauge\nron_gateway_heap_committed_bytes 65536\n"));
        assert!(text.contains("# TYPE process_open_fds gauge\nprocess_open_fds 12\n"));
        assert!(text.contains("\nprocess_max_fds +Inf\n"));
        assert!(text.contains("counter\nprocess_cpu_seconds_total 0.25\n"));
        assert!(!text.contains("resident"));
        let version = env!("CARGO_PKG_VERSION");
        assert!(text.contains(&format!(
            "ron_gateway_build_info{{version=\"{version}\"}} 1\n"
        )));
    }
}
