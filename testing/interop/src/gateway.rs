//! The built gateway as a process: its events, its metrics, and its end.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::Command;
use std::thread;

use rustix::process::Signal;
use serde_json::Value;

use crate::lab::Lab;
use ron_lab::process::{wait_for, Process, PATIENCE};

const PEM_BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const PEM_END: &str = "-----END CERTIFICATE-----";

/// A running gateway on free ports.
pub(crate) struct Gateway {
    process: Process,
    pub(crate) addr: SocketAddr,
    admin: SocketAddr,
}

impl Gateway {
    /// Echo over TLS with the certificate `server`.
    pub(crate) fn echo(lab: &Lab, more: &[&str]) -> Result<Self, String> {
        let (cert, key) = (lab.pki.cert("server"), lab.pki.key("server"));
        let mut args = vec!["--transport.backend", "tls"];
        args.extend(["--transport.tls.cert-path", &cert]);
        args.extend(["--transport.tls.key-path", &key]);
        args.extend(more);
        Self::start(lab, &args)
    }

    /// Forward over TCP to a TLS server on this port, asked for as `localhost` and verified
    /// against `ca`.
    pub(crate) fn forward(lab: &Lab, port: u16, more: &[&str]) -> Result<Self, String> {
        let (target, ca) = (target(port), lab.pki.cert("ca"));
        let mut args = vec!["--forward", target.as_str()];
        args.extend(["--transport.tls-client.trust-store", "path"]);
        args.extend(["--transport.tls-client.ca-bundle-path", &ca]);
        args.extend(more);
        Self::start(lab, &args)
    }

    /// Echo over TLS with `--dev-tls`; and the authority that it prints.
    pub(crate) fn dev_tls(lab: &Lab) -> Result<(Self, String), String> {
        let gateway = Self::start(lab, &["--dev-tls"])?;
        let printed = gateway.process.err.wait(|bytes| {
            let text = String::from_utf8_lossy(bytes);
            let (_, from) = text.split_once(PEM_BEGIN)?;
            let (pem, _) = from.split_once(PEM_END)?;
            Some(format!("{PEM_BEGIN}{pem}{PEM_END}\n"))
        });
        let pem = printed.ok_or("no authority was printed")?;
        Ok((gateway, pem))
    }

    fn start(lab: &Lab, more: &[&str]) -> Result<Self, String> {
        let mut command = program(lab);
        command.args(["--transport.bind-addr", "127.0.0.1:0", "--admin"]);
        command.args(["127.0.0.1:0", "--gateway.log.format", "json"]);
        command.args(["--gateway.log.level", "debug"]).args(more);
        let process = Process::start(&mut command)?;
        let started = process.out.line(|line| {
            let event: Value = serde_json::from_str(line).ok()?;
            (event["event"] == "start").then_some(event)
        });
        let started = started.ok_or_else(|| {
            let said = process.out.text() + &process.err.text();
            format!("the gateway did not start: {said}")
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

    pub(crate) fn port(&self) -> u16 {
        self.addr.port()
    }

    /// Waits for an event of this reason (none is "") with an `error` that has this text in it; the
    /// whole of it.
    pub(crate) fn error_with(
        &self,
        event: &str,
        reason: &str,
        text: &str,
    ) -> Result<String, String> {
        let found = self.process.out.line(|line| {
            let line: Value = serde_json::from_str(line).ok()?;
            let error = line["error"].as_str()?;
            let is = |name: &str, value| line[name].as_str().unwrap_or_default() == value;
            let fits = is("event", event) && is("reason", reason) && error.contains(text);
            fits.then(|| error.to_owned())
        });
        found.ok_or_else(|| {
            let log = self.process.out.text();
            let errors: Vec<_> = log.lines().filter(|l| l.contains("\"error\"")).collect();
            format!(
                "no {event} of reason {reason} with {text:?} in: {}",
                errors.join(" ")
            )
        })
    }

    /// The value of one series, written as in the exposition.
    fn metric(&self, series: &str) -> Result<f64, String> {
        let body = http(self.admin).map_err(|e| format!("no metrics: {e}"))?;
        let start = format!("{series} ");
        let value = body.lines().find_map(|line| line.strip_prefix(&start));
        let value = value.ok_or_else(|| format!("no series {series}"))?;
        value.parse().map_err(|_| format!("{series} is {value}"))
    }

    /// Waits until a series has this value.
    pub(crate) fn metric_is(&self, series: &str, expected: u32) -> Result<(), String> {
        let mut last = f64::NAN;
        let waited = wait_for(series, PATIENCE, || {
            last = self.metric(series)?;
            Ok(((last - f64::from(expected)).abs() < 0.5).then_some(()))
        });
        waited.map_err(|e| format!("{e} to be {expected}: it is {last}"))
    }

    /// Waits until a series has at least this value.
    pub(crate) fn metric_reaches(&self, series: &str, least: u32) -> Result<(), String> {
        wait_for(series, PATIENCE, || {
            Ok((self.metric(series)? >= f64::from(least)).then_some(()))
        })
    }

    /// Handshakes that went well: with this group, none or all of them resumed.
    pub(crate) fn handshakes(&self, kx: &str, resumed: bool, count: u32) -> Result<(), String> {
        let resumed = if resumed { "yes" } else { "no" };
        let labels = format!("kx=\"{kx}\",resumed=\"{resumed}\",result=\"ok\"");
        self.metric_is(&format!("tls_handshakes_total{{{labels}}}"), count)
    }

    /// Waits for at least so many full handshakes with this group.
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

    /// Ends it gently, when nothing is in flight any more: it must take it so.
    pub(crate) fn stop(self) -> Result<(), String> {
        self.metric_is("conn_inflight{backend=\"tls\"}", 0)?;
        self.process.signal(Signal::TERM)?;
        let ended = self.process.wait(PATIENCE)?;
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

/// The program, without any configuration of the surrounding environment.
fn program(lab: &Lab) -> Command {
    let mut command = Command::new(&lab.gateway);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("RON_") {
            command.env_remove(name);
        }
    }
    command
}

/// `dial` to a TLS server on this port, verified against `ca`.
pub(crate) fn dial(lab: &Lab, port: u16, more: &[&str]) -> Command {
    let mut command = program(lab);
    command.arg("dial").arg(target(port));
    command.args(["--transport.tls-client.trust-store", "path"]);
    command.args(["--transport.tls-client.ca-bundle-path", &lab.pki.cert("ca")]);
    command.args(more);
    command
}

/// Sends everything over TCP, half-closes, and returns what came back, reading meanwhile.
pub(crate) fn round_trip(to: SocketAddr, bytes: &[u8]) -> Result<Vec<u8>, String> {
    let stream = connect(to).map_err(|e| format!("cannot connect to {to}: {e}"))?;
    thread::scope(|scope| {
        // A refusal shows in what comes back.
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

fn connect(to: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn http(admin: SocketAddr) -> std::io::Result<String> {
    let mut stream = connect(admin)?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}
