//! A real Prometheus that scrapes the gateway, quiet and under faults.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use ron_lab::process::Process;
use ron_lab::Start;
use rustix::process::Signal;
use serde_json::Value;

use crate::http;
use crate::load::Load;
use crate::wait_for;

/// The durations of the rules, and their shorter replacements.
const TIMES: &[(&str, &str)] = &[
    ("for: 10m", "for: 2s"),
    ("for: 5m", "for: 2s"),
    ("for: 1m", "for: 2s"),
    ("for: 60s", "for: 2s"),
    ("[5m]", "[10s]"),
    ("[10m]", "[10s]"),
];
/// Scrapes of a quiet gateway, without any alert.
const QUIET: u32 = 15;

/// Series that are empty without TLS and Tor.
const EMPTY: &[&str] = &[
    "arti_bootstrap_progress",
    "tls_certificate_expiry_timestamp_seconds",
    "tls_crl_expiry_timestamp_seconds",
];

pub(crate) fn run(
    gateway: &str,
    prometheus: &str,
    rules: &str,
    dashboard: &str,
) -> Result<(), String> {
    let dir = tempfile::tempdir().map_err(|e| format!("no temporary directory: {e}"))?;
    let args = ["--echo-frames", "--transport.per-peer.max-conns", "20"];
    let gateway = Start::new(Path::new(gateway)).args(args).spawn()?;
    let prometheus = Prometheus::start(prometheus, dir.path(), rules, gateway.admin.addr())?;
    let honest = Load::honest(gateway.addr)?;
    prometheus.stays_silent()?;
    println!("quiet          {QUIET} scrapes with 20 honest peers, no alert");

    let (expressions, series) = prometheus.draws(dashboard)?;
    println!("dashboard      {expressions} expressions give {series} series");

    let fault = Load::too_large(gateway.addr)?;
    prometheus.fires("too-large", "TransportTooLarge")?;
    drop(fault);
    prometheus.clears("too-large", "TransportTooLarge")?;

    let fault = Load::hot_peer(IpAddr::from([127, 0, 0, 2]), gateway.addr)?;
    prometheus.fires("hot-peer", "TransportPeerAtCap")?;
    prometheus.fires("hot-peer", "TransportRejects")?;
    drop(fault);
    prometheus.clears("hot-peer", "TransportPeerAtCap")?;

    drop(honest);
    gateway.signal(Signal::KILL)?;
    prometheus.fires("kill-9", "TransportDown")
}

/// Percent-encodes a query.
fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

struct Prometheus {
    _process: Process,
    addr: SocketAddr,
}

impl Prometheus {
    fn start(program: &str, dir: &Path, rules: &str, target: SocketAddr) -> Result<Self, String> {
        let text = std::fs::read_to_string(rules).map_err(|e| format!("{rules}: {e}"))?;
        let quick = TIMES.iter().try_fold(text, |text, (from, to)| {
            let there = text.contains(from);
            there
                .then(|| text.replace(from, to))
                .ok_or_else(|| format!("no {from:?} in the rules"))
        })?;
        let config = format!(
            "global: {{ scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }}\n\
             rule_files: [rules.yml]\n\
             scrape_configs:\n  - job_name: ron-gateway\n    static_configs: [{{ targets: ['{target}'] }}]\n"
        );
        for (name, text) in [("rules.yml", quick), ("prometheus.yml", config)] {
            std::fs::write(dir.join(name), text).map_err(|e| format!("{name}: {e}"))?;
        }
        let mut command = Command::new(program);
        command.arg("--config.file").arg(dir.join("prometheus.yml"));
        command.arg("--storage.tsdb.path").arg(dir.join("data"));
        command.args(["--web.listen-address", "127.0.0.1:0"]);
        let process = Process::start_prepared(command.stdin(Stdio::null()))?;
        let addr = process.err.line(|line| {
            let (_, rest) = line.split_once("msg=\"Listening on\" address=")?;
            rest.split(' ').next()?.parse().ok()
        });
        let addr =
            addr.ok_or_else(|| format!("no address of Prometheus: {}", process.err.text()))?;
        let prometheus = Self {
            _process: process,
            addr,
        };
        wait_for("Prometheus to be ready", || {
            Ok(http::get(addr, "/-/ready").ok())
        })?;
        // Before its first scrape no gateway is known, and an alert may fire.
        wait_for("a first scrape", || {
            let scraped = prometheus.scrapes()? > 0 && prometheus.firing()?.is_empty();
            Ok(scraped.then_some(()))
        })?;
        Ok(prometheus)
    }

    /// Returns the names of the firing alerts.
    fn firing(&self) -> Result<Vec<String>, String> {
        let answer = http::json(self.addr, "/api/v1/alerts")?;
        let alerts = answer["data"]["alerts"].as_array();
        let alerts = alerts.ok_or_else(|| format!("no alerts in {answer}"))?;
        let firing = alerts.iter().filter(|alert| alert["state"] == "firing");
        let names = firing.filter_map(|alert| alert["labels"]["alertname"].as_str());
        Ok(names.map(str::to_owned).collect())
    }

    /// Returns the number of scrapes of the target.
    fn scrapes(&self) -> Result<u32, String> {
        let query = "/api/v1/query?query=count_over_time(transport_readiness%5B1h%5D)";
        let answer = http::json(self.addr, query)?;
        let count = answer["data"]["result"][0]["value"][1].as_str();
        Ok(count.and_then(|count| count.parse().ok()).unwrap_or(0))
    }

    fn stays_silent(&self) -> Result<(), String> {
        wait_for("scrapes of the quiet gateway", || {
            let firing = self.firing()?;
            if !firing.is_empty() {
                return Err(format!("alerts of a quiet gateway: {}", firing.join(", ")));
            }
            Ok((self.scrapes()? >= QUIET).then_some(()))
        })
    }

    /// Queries the dashboard; returns the numbers of expressions and series.
    fn draws(&self, dashboard: &str) -> Result<(usize, usize), String> {
        let text = std::fs::read_to_string(dashboard).map_err(|e| format!("{dashboard}: {e}"))?;
        let json: Value = serde_json::from_str(&text).map_err(|e| format!("{dashboard}: {e}"))?;
        let panels = json["panels"].as_array().into_iter().flatten();
        let targets = panels
            .filter_map(|panel| panel["targets"].as_array())
            .flatten();
        let (mut expressions, mut series) = (0, 0);
        for target in targets {
            let expr = target["expr"].as_str().unwrap_or_default();
            let chosen = [
                ("$instance", ".*"),
                ("$backend", ".*"),
                ("$__rate_interval", "10s"),
            ];
            let asked = chosen.iter().fold(expr.to_owned(), |expr, (name, value)| {
                expr.replace(name, value)
            });
            let answer = http::json(
                self.addr,
                &format!("/api/v1/query?query={}", encoded(&asked)),
            )?;
            let found = answer["data"]["result"].as_array().map_or(0, Vec::len);
            if found == 0 && !EMPTY.iter().any(|name| expr.contains(name)) {
                return Err(format!("{expr} gives nothing: {answer}"));
            }
            expressions += 1;
            series += found;
        }
        Ok((expressions, series))
    }

    fn fires(&self, fault: &str, alert: &str) -> Result<(), String> {
        self.wait(fault, alert, true)
    }

    fn clears(&self, fault: &str, alert: &str) -> Result<(), String> {
        self.wait(fault, alert, false)
    }

    fn wait(&self, fault: &str, alert: &str, fires: bool) -> Result<(), String> {
        let began = Instant::now();
        let is = |firing: Vec<String>| firing.iter().any(|name| name == alert) == fires;
        let what = if fires { "fires" } else { "is cleared" };
        wait_for(&format!("{fault}: {alert} {what}"), || {
            Ok(self.firing().map(is)?.then_some(()))
        })?;
        let seconds = began.elapsed().as_secs_f64();
        println!("{fault:<14} {alert} {what} after {seconds:.1} s");
        Ok(())
    }
}
