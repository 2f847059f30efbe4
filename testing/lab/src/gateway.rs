//! A running gateway: its log, its admin endpoint, and its end.

use std::net::SocketAddr;
use std::path::Path;

use rustix::process::Signal;
use serde_json::Value;

use crate::admin::Admin;
use crate::process::{self, wait_for, Ended, Output, Process, PATIENCE};
use crate::scrape::Scrape;
use crate::{ensure, Outcome};

/// Size of the log's tail that a long run keeps.
const KEPT_LOG_BYTES: usize = 1 << 20;

/// A running gateway.
pub struct Gateway {
    process: Process,
    /// The admin endpoint.
    pub admin: Admin,
    /// The listen address as it is logged.
    pub listen: String,
    /// The listen address; unspecified for a Unix socket.
    pub addr: SocketAddr,
}

impl Gateway {
    /// Waits until the process listens.
    pub fn of(process: Process, netns: Option<String>) -> Result<Self, String> {
        let found = process.out.line(|line| {
            let admin = started(line, "admin")?;
            Some((started(line, "listen").unwrap_or_default(), admin))
        });
        let (listen, admin) = found.ok_or_else(|| {
            let output = process.out.text() + &process.err.text();
            format!("the gateway did not start: {output}")
        })?;
        let addr = |text: &str| text.parse().unwrap_or(SocketAddr::from(([0; 4], 0)));
        Ok(Self {
            addr: addr(&listen),
            listen,
            admin: Admin::new(addr(&admin), netns),
            process,
        })
    }

    /// Returns the standard output: the log.
    pub fn out(&self) -> &Output {
        &self.process.out
    }

    /// Returns the standard error.
    pub fn err(&self) -> &Output {
        &self.process.err
    }

    /// Waits for an event of the log that `fits` accepts.
    pub fn logs(&self, name: &str, fits: impl Fn(&Value) -> bool) -> Result<Value, String> {
        let look = |line: &str| event(line, name).filter(|event| fits(event));
        self.process.out.line(look).ok_or_else(|| {
            let log = self.process.out.text();
            let all = log.lines().filter(|line| event(line, name).is_some());
            let all: Vec<_> = all.collect();
            format!("no matching event {name} in the log: {}", all.join(" "))
        })
    }

    /// Waits for a reject with this reason and text; returns its error.
    pub fn logs_reject(&self, reason: &str, text: &str) -> Result<String, String> {
        let error = |event: &Value| event["error"].as_str().unwrap_or_default().to_owned();
        let found = self.logs("reject", |event| {
            event["reason"] == reason && error(event).contains(text)
        });
        Ok(error(&found?))
    }

    /// Keeps only the log's tail from now on.
    pub fn forget_log(&self) {
        self.process.out.keep_last(KEPT_LOG_BYTES);
    }

    /// Returns the log so far.
    pub fn log(&self) -> String {
        self.process.out.text()
    }

    /// Scrapes `/metrics`.
    pub fn scrape(&self) -> Result<Scrape, String> {
        self.admin.scrape()
    }

    /// Waits until `fits` accepts the metrics.
    pub fn until(&self, what: &str, fits: impl Fn(&Scrape) -> bool) -> Result<Scrape, String> {
        wait_for(what, PATIENCE, || {
            let scrape = self.scrape()?;
            Ok(fits(&scrape).then_some(scrape))
        })
    }

    /// Fails unless `/readyz` answers 200.
    pub fn is_ready(&self) -> Outcome {
        let (status, body) = self.admin.get("/readyz")?;
        ensure(status == 200, || {
            format!("/readyz answers {status}: {body}")
        })
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> Result<(), String> {
        self.process.signal(signal)
    }

    /// Stops all threads until the process is continued or killed.
    pub fn hang(&self) -> Result<(), String> {
        self.process.hang()
    }

    /// Returns the process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Returns a number of `/proc/PID/status`, such as `VmRSS:` in KiB or `Threads:`.
    pub fn status(&self, field: &str) -> Result<f64, String> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id()));
        let status = status.map_err(|e| format!("the gateway has ended: {e}"))?;
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let value = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        value.ok_or_else(|| format!("no {field} in /proc/PID/status"))
    }

    /// Sends SIGHUP and returns the `reload` event with this result.
    pub fn reload(&self, result: &str) -> Result<Value, String> {
        let count = |text: &str| {
            text.lines()
                .filter(|l| event(l, "reload").is_some())
                .count()
        };
        let before = count(&self.log());
        self.signal(Signal::HUP)?;
        let event = self.process.out.wait(|bytes| {
            let text = String::from_utf8_lossy(bytes);
            text.lines()
                .filter_map(|l| self::event(l, "reload"))
                .nth(before)
        });
        let event = event.ok_or("no reload event")?;
        if event["result"] == result {
            return Ok(event);
        }
        Err(format!("the reload is not {result}: {event}"))
    }

    /// Waits for the end of the process.
    pub fn wait(self) -> Result<Ended, String> {
        self.process.wait(PATIENCE)
    }

    /// Sends SIGTERM and returns the `shutdown` event; expects exit code 0.
    pub fn stop(self) -> Result<Value, String> {
        self.signal(Signal::TERM)?;
        self.ended_well()
    }

    /// Waits for a shutdown that has begun and returns its event.
    pub fn ended_well(self) -> Result<Value, String> {
        let ended = self.wait()?;
        let log = String::from_utf8_lossy(&ended.out).into_owned();
        if ended.status.code() != Some(0) || !ended.err.is_empty() {
            return Err(format!(
                "the gateway ended with {}: {}",
                ended.status, ended.err
            ));
        }
        let last = log.lines().find_map(|line| event(line, "shutdown"));
        last.ok_or_else(|| format!("no shutdown event: {log}"))
    }

    /// Sends SIGKILL and waits for the end.
    pub fn kill(self) -> Result<(), String> {
        self.signal(Signal::KILL)?;
        self.process.wait(PATIENCE).map(drop)
    }
}

/// Parses a JSON log line that is an event of this name.
fn event(line: &str, name: &str) -> Option<Value> {
    // Cheaper than parsing every line.
    if !line.contains(&format!("\"event\":\"{name}\"")) {
        return None;
    }
    serde_json::from_str(line).ok()
}

/// Returns the first line of `ron-gateway --version`.
pub fn version(gateway: &Path) -> Result<String, String> {
    process::version(&gateway.to_string_lossy(), &["--version"])
}

/// Returns a field of the event `start`, in logfmt or JSON.
pub fn started(line: &str, name: &str) -> Option<String> {
    if let Some(event) = event(line, "start") {
        return event[name].as_str().map(str::to_owned);
    }
    let is_start = field(line, "event") == Some("start");
    field(line, name).filter(|_| is_start).map(str::to_owned)
}

/// Returns the value of a logfmt field without quotes.
pub fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let start = format!("{name}=");
    line.split(' ').find_map(|word| word.strip_prefix(&start))
}
