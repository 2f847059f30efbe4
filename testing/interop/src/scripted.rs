//! Peers that are short scripts, with one contract for all of them.
//!
//! A script gets one JSON object, and prints one for each connection: error, version, group and
//! whether it resumed.

use std::fs;
use std::process::Command;

use serde_json::{json, Value};

use crate::gateway::Gateway;
use crate::lab::{same, Lab};
use ron_lab::process::{run, Process, PATIENCE};

/// A language with a client and a server.
pub(crate) struct Script {
    /// The interpreter, ready for a script's path.
    pub(crate) interpreter: fn(&Lab) -> Command,
    pub(crate) client: (&'static str, &'static str),
    pub(crate) server: (&'static str, &'static str),
}

/// A script's report about one connection.
pub(crate) struct Report(Value);

impl Report {
    pub(crate) fn error(&self) -> Option<&str> {
        self.0["error"].as_str()
    }

    /// Fails unless the connection had TLS 1.3 and no error.
    pub(crate) fn is_good(&self) -> Result<(), String> {
        if let Some(error) = self.error() {
            return Err(format!("the peer failed: {error}"));
        }
        match self.0["version"].as_str() {
            Some("TLSv1.3") => Ok(()),
            other => Err(format!("the peer used {other:?}")),
        }
    }

    /// The group, where the peer reports it.
    pub(crate) fn group(&self) -> Option<String> {
        self.0["group"].as_str().map(str::to_lowercase)
    }

    pub(crate) fn resumed(&self) -> Vec<bool> {
        let list = self.0["resumed"].as_array();
        let list = list.into_iter().flatten();
        list.filter_map(Value::as_bool).collect()
    }
}

impl Script {
    /// Connects to an echoing gateway with the payload; returns report and echo.
    pub(crate) fn connect(
        &self,
        lab: &Lab,
        gateway: &Gateway,
        with: Value,
    ) -> Result<(Report, Vec<u8>), String> {
        let out = lab.path("back.bin");
        // Remains of an earlier row.
        let _ = fs::remove_file(&out);
        let config = merged(
            json!({
                "port": gateway.port(),
                "name": "localhost",
                "ca": lab.pki.cert("ca"),
                "payload": lab.path("payload.bin"),
                "out": out,
            }),
            with,
        );
        let script = lab.write(self.client.0, self.client.1)?;
        let mut command = (self.interpreter)(lab);
        let ended = run(command.arg(script).arg(config.to_string()), PATIENCE)?;
        let said = String::from_utf8_lossy(&ended.out);
        let report = serde_json::from_str(&said);
        let report = report.map_err(|_| format!("no report: {said}{}", ended.err))?;
        Ok((Report(report), fs::read(&out).unwrap_or_default()))
    }

    /// Connects as above, and fails unless all bytes were echoed.
    pub(crate) fn echoed(
        &self,
        lab: &Lab,
        gateway: &Gateway,
        with: Value,
    ) -> Result<Report, String> {
        let (report, back) = self.connect(lab, gateway, with)?;
        report.is_good()?;
        same("echoed", &lab.payload, &back)?;
        Ok(report)
    }

    /// Starts a server with this certificate.
    pub(crate) fn serve(&self, lab: &Lab, cert: &str, with: Value) -> Result<Server, String> {
        let pair = json!({"cert": lab.pki.cert(cert), "key": lab.pki.key(cert)});
        let script = lab.write(self.server.0, self.server.1)?;
        let mut command = (self.interpreter)(lab);
        command.arg(script).arg(merged(pair, with).to_string());
        let process = Process::start(&mut command)?;
        let port = process.out.line(|line| {
            let line: Value = serde_json::from_str(line).ok()?;
            u16::try_from(line["port"].as_u64()?).ok()
        });
        match port {
            Some(port) => Ok(Server { process, port }),
            None => Err(format!("the server did not start: {}", process.err.text())),
        }
    }
}

/// A running server.
pub(crate) struct Server {
    process: Process,
    pub(crate) port: u16,
}

impl Server {
    /// Waits for its end; returns the report about the last connection.
    pub(crate) fn report(self) -> Result<Report, String> {
        let ended = self.process.wait(PATIENCE)?;
        let said = String::from_utf8_lossy(&ended.out);
        let last = said.lines().skip(1).last().unwrap_or_default();
        let report = serde_json::from_str(last);
        let report = report.map_err(|_| format!("no report: {said}{}", ended.err))?;
        Ok(Report(report))
    }
}

/// Merges the members of two objects.
fn merged(mut base: Value, more: Value) -> Value {
    if let (Value::Object(base), Value::Object(more)) = (&mut base, more) {
        base.extend(more);
    }
    base
}
