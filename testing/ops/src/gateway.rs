//! The built gateway on free ports.

use std::net::SocketAddr;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use serde_json::Value;

use crate::http;
use crate::process::Process;

/// A running gateway.
pub(crate) struct Gateway {
    process: Process,
    pub(crate) addr: SocketAddr,
    pub(crate) admin: SocketAddr,
}

impl Gateway {
    pub(crate) fn start(program: &str, more: &[&str]) -> Result<Self, String> {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("RON_") {
                command.env_remove(name);
            }
        }
        command.args(["--transport.bind-addr", "127.0.0.1:0"]);
        command.args(["--admin", "127.0.0.1:0", "--gateway.log.format", "json"]);
        let process = Process::start(command.args(more).stdin(Stdio::null()), true)?;
        let started = process.line("the gateway's start", |line| {
            let event: Value = serde_json::from_str(line).ok()?;
            (event["event"] == "start").then_some(event)
        })?;
        let addr = |name: &str| {
            let text = started[name].as_str().unwrap_or_default();
            text.parse().map_err(|_| format!("no address in {started}"))
        };
        let (addr, admin) = (addr("listen")?, addr("admin")?);
        Ok(Self {
            process,
            addr,
            admin,
        })
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<(), String> {
        self.process.signal(signal)
    }

    /// The value of one series, written as in the exposition.
    pub(crate) fn metric(&self, series: &str) -> Result<f64, String> {
        let body = http::get(self.admin, "/metrics")?;
        let start = format!("{series} ");
        let value = body.lines().find_map(|line| line.strip_prefix(&start));
        let value = value.ok_or_else(|| format!("no series {series}"))?;
        value.parse().map_err(|_| format!("{series} is {value}"))
    }
}
