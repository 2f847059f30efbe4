//! The gateway under test, with assertions on log and metrics.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::ops::Deref;
use std::process::Command;
use std::thread;

use ron_lab::client::connect;
use ron_lab::process::{wait_for, PATIENCE};
use rustix::process::Signal;
use serde_json::Value;

use crate::lab::Lab;

const PEM_BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const PEM_END: &str = "-----END CERTIFICATE-----";

/// A running gateway on free ports.
pub(crate) struct Gateway(ron_lab::Gateway);

impl Deref for Gateway {
    type Target = ron_lab::Gateway;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Gateway {
    /// Starts echo over TLS with the certificate `server`.
    pub(crate) fn echo(lab: &Lab, more: &[&str]) -> Result<Self, String> {
        Self::start(lab.tls(), more)
    }

    /// Starts forwarding to `localhost` over TLS, verified against `ca`.
    pub(crate) fn forward(lab: &Lab, port: u16, more: &[&str]) -> Result<Self, String> {
        let start = lab.gateway().args(["--forward", &target(port)]);
        Self::start(start.args(lab.trust()), more)
    }

    /// Starts echo with `--dev-tls`; returns the printed authority too.
    pub(crate) fn dev_tls(lab: &Lab) -> Result<(Self, String), String> {
        let gateway = Self::start(lab.gateway(), &["--dev-tls"])?;
        let printed = gateway.err().wait(|bytes| {
            let text = String::from_utf8_lossy(bytes);
            let (_, from) = text.split_once(PEM_BEGIN)?;
            let (pem, _) = from.split_once(PEM_END)?;
            Some(format!("{PEM_BEGIN}{pem}{PEM_END}\n"))
        });
        let pem = printed.ok_or("no authority was printed")?;
        Ok((gateway, pem))
    }

    /// Starts a gateway of any kind.
    pub(crate) fn spawn(start: ron_lab::Start, more: &[&str]) -> Result<Self, String> {
        Self::start(start, more)
    }

    fn start(start: ron_lab::Start, more: &[&str]) -> Result<Self, String> {
        let start = start.args(["--gateway.log.level", "debug"]).args(more);
        start.spawn().map(Self)
    }

    pub(crate) fn port(&self) -> u16 {
        self.addr.port()
    }

    /// Waits for an event of this reason (`""` for none); returns its error.
    ///
    /// The error contains this text.
    pub(crate) fn error_with(
        &self,
        event: &str,
        reason: &str,
        text: &str,
    ) -> Result<String, String> {
        let error = |event: &Value| event["error"].as_str().unwrap_or_default().to_owned();
        let found = self.logs(event, |event| {
            let is_reason = event["reason"].as_str().unwrap_or_default() == reason;
            is_reason && event["error"].is_string() && error(event).contains(text)
        });
        found.map(|event| error(&event))
    }

    /// Waits until a series has this value.
    pub(crate) fn metric_is(&self, series: &str, expected: u32) -> Result<(), String> {
        let mut last = f64::NAN;
        let waited = wait_for(series, PATIENCE, || {
            last = self.scrape()?.value(series);
            Ok(((last - f64::from(expected)).abs() < 0.5).then_some(()))
        });
        waited.map_err(|e| format!("{e}: expected {expected}, got {last}"))
    }

    /// Waits until a series has at least this value.
    pub(crate) fn metric_reaches(&self, series: &str, least: u32) -> Result<(), String> {
        let reached = |scrape: &ron_lab::Scrape| scrape.value(series) >= f64::from(least);
        self.until(series, reached).map(drop)
    }

    /// Waits for this number of successful handshakes, resumed or not.
    pub(crate) fn handshakes(&self, kx: &str, resumed: bool, count: u32) -> Result<(), String> {
        let resumed = if resumed { "yes" } else { "no" };
        let labels = format!("kx=\"{kx}\",resumed=\"{resumed}\",result=\"ok\"");
        self.metric_is(&format!("tls_handshakes_total{{{labels}}}"), count)
    }

    /// Waits for at least this number of full handshakes with this group.
    pub(crate) fn handshakes_reach(&self, kx: &str, least: u32) -> Result<(), String> {
        let labels = format!("kx=\"{kx}\",resumed=\"no\",result=\"ok\"");
        self.metric_reaches(&format!("tls_handshakes_total{{{labels}}}"), least)
    }

    pub(crate) fn rejected(&self, reason: &str, count: u32) -> Result<(), String> {
        self.metric_is(&format!("rejected_total{{reason=\"{reason}\"}}"), count)
    }

    pub(crate) fn closed(&self, reason: &str, count: u32) -> Result<(), String> {
        let labels = format!("backend=\"tls\",reason=\"{reason}\"");
        self.metric_is(&format!("transport_closes_total{{{labels}}}"), count)
    }

    /// Sends SIGTERM once no connection is open; expects exit code 0.
    pub(crate) fn stop(self) -> Result<(), String> {
        self.metric_is("conn_inflight{backend=\"tls\"}", 0)?;
        self.end()
    }

    /// Sends SIGTERM; expects exit code 0.
    pub(crate) fn end(self) -> Result<(), String> {
        self.signal(Signal::TERM)?;
        let ended = self.0.wait()?;
        let is_quiet = ended.err.is_empty() || ended.err.starts_with("--dev-tls: ");
        if ended.status.code() != Some(0) || !is_quiet {
            return Err(format!(
                "the gateway ended with {}: {}",
                ended.status, ended.err
            ));
        }
        Ok(())
    }
}

fn target(port: u16) -> String {
    format!("tls://localhost:{port}")
}

/// Returns the command `dial` to this port, verified against `ca`.
pub(crate) fn dial(lab: &Lab, port: u16, more: &[&str]) -> Command {
    let mut command = lab.gateway().bare(&["dial", &target(port)]);
    command.args(lab.trust()).args(more);
    command
}

/// Sends all bytes over TCP, half-closes, and returns the echo.
///
/// Reads while it writes.
pub(crate) fn round_trip(to: SocketAddr, bytes: &[u8]) -> Result<Vec<u8>, String> {
    let stream = connect(to).map_err(|e| format!("cannot connect to {to}: {e}"))?;
    thread::scope(|scope| {
        // A failed write shows in the received bytes.
        scope.spawn(|| {
            (&stream)
                .write_all(bytes)
                .and_then(|()| stream.shutdown(Shutdown::Write))
        });
        let mut back = Vec::new();
        let read = (&stream).read_to_end(&mut back);
        read.map_err(|e| format!("after {} bytes: {e}", back.len()))?;
        Ok(back)
    })
}
