//! A running gateway: its log, its admin endpoint, and its end.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::process::{self, wait_for, Process, PATIENCE};
use rustix::process::Signal;
use serde_json::Value;

use super::client::connect;
use super::netns;
use super::scrape::Scrape;
use super::{ensure, Outcome, Stop};

/// How often readiness is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What is kept of a log that grows long.
const KEPT_LOG_BYTES: usize = 1 << 20;

/// A running gateway.
pub struct Gateway {
    process: Process,
    /// Its admin endpoint.
    pub admin: Admin,
    /// Where it listens, if that is an IP address.
    pub addr: SocketAddr,
}

/// Its admin endpoint, for any thread.
#[derive(Clone)]
pub struct Admin {
    addr: SocketAddr,
    netns: Option<String>,
}

impl Gateway {
    /// Waits until it listens.
    pub fn of(process: Process, netns: Option<String>) -> Result<Self, String> {
        let started = process.out.line(|line| event(line, "start"));
        let started = started.ok_or_else(|| {
            let said = process.out.text() + &process.err.text();
            format!("the gateway did not start: {said}")
        })?;
        let text = |name: &str| started[name].as_str().unwrap_or_default();
        let admin = text("admin").parse();
        let addr = admin.map_err(|_| format!("no address in {started}"))?;
        Ok(Self {
            // On a Unix socket there is none.
            addr: text("listen").parse().unwrap_or(addr),
            admin: Admin { addr, netns },
            process,
        })
    }

    /// Waits for an event of the log.
    pub fn logs(&self, name: &str, fits: impl Fn(&Value) -> bool) -> Result<Value, String> {
        let look = |line: &str| event(line, name).filter(|event| fits(event));
        self.process.out.line(look).ok_or_else(|| {
            let log = self.process.out.text();
            let all = log.lines().filter(|line| event(line, name).is_some());
            let all: Vec<_> = all.collect();
            format!("no such {name} in the log: {}", all.join(" "))
        })
    }

    /// Waits for a reject of this reason whose error has this text; the error.
    pub fn logs_reject(&self, reason: &str, text: &str) -> Result<String, String> {
        let error = |event: &Value| event["error"].as_str().unwrap_or_default().to_owned();
        let found = self.logs("reject", |event| {
            event["reason"] == reason && error(event).contains(text)
        });
        Ok(error(&found?))
    }

    /// Keeps only the last lines of the log from now on, for a gateway that runs long.
    pub fn forget_log(&self) {
        self.process.out.keep_last(KEPT_LOG_BYTES);
    }

    /// Every line of the log so far.
    pub fn log(&self) -> String {
        self.process.out.text()
    }

    /// What `/metrics` says.
    pub fn scrape(&self) -> Result<Scrape, String> {
        self.admin.scrape()
    }

    /// Waits until the metrics fit.
    pub fn until(&self, what: &str, fits: impl Fn(&Scrape) -> bool) -> Result<Scrape, String> {
        wait_for(what, PATIENCE, || {
            let scrape = self.scrape()?;
            Ok(fits(&scrape).then_some(scrape))
        })
    }

    /// Fails unless `/readyz` answers 200.
    pub fn is_ready(&self) -> Outcome {
        let (status, body) = self.admin.get("/readyz")?;
        ensure(status == 200, || format!("/readyz says {status}: {body}"))
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Result<(), String> {
        self.process.signal(signal)
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// A figure of the process, as in `/proc/PID/status`: `VmRSS:`, in KiB, or `Threads:`.
    pub fn status(&self, field: &str) -> Result<f64, String> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id()));
        let status = status.map_err(|e| format!("it is gone: {e}"))?;
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let value = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        value.ok_or_else(|| format!("no {field} in its status"))
    }

    /// Loads the configuration anew; what came of it, once it is told.
    pub fn reload(&self, result: &str) -> Result<Value, String> {
        let count = |text: &str| {
            text.lines()
                .filter(|l| event(l, "reload").is_some())
                .count()
        };
        let before = count(&self.log());
        self.signal(Signal::HUP)?;
        let told = self.process.out.wait(|bytes| {
            let text = String::from_utf8_lossy(bytes);
            text.lines().filter_map(|l| event(l, "reload")).nth(before)
        });
        let told = told.ok_or("no reload is told")?;
        if told["result"] == result {
            return Ok(told);
        }
        Err(format!("the reload was not {result}: {told}"))
    }

    /// Ends it gently and checks that it took it so; the last event.
    pub fn stop(self) -> Result<Value, String> {
        self.signal(Signal::TERM)?;
        self.ended_well()
    }

    /// Waits for an end that began already.
    pub fn ended_well(self) -> Result<Value, String> {
        let ended = self.process.wait(PATIENCE)?;
        let log = String::from_utf8_lossy(&ended.out).into_owned();
        if ended.status.code() != Some(0) || !ended.err.is_empty() {
            return Err(format!("it ended with {}: {}", ended.status, ended.err));
        }
        let last = log.lines().find_map(|line| event(line, "shutdown"));
        last.ok_or_else(|| format!("no shutdown is told: {log}"))
    }

    /// Kills it, and waits for its end.
    pub fn kill(self) -> Result<(), String> {
        self.signal(Signal::KILL)?;
        self.process.wait(PATIENCE).map(drop)
    }
}

impl Admin {
    /// Where it is.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Status and body of an answer.
    pub fn get(&self, path: &str) -> Result<(u16, String), String> {
        let ask = || {
            let mut stream = connect(self.addr)?;
            let head = "HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
            stream.write_all(format!("GET {path} {head}").as_bytes())?;
            let mut text = String::new();
            stream.read_to_string(&mut text)?;
            Ok::<_, std::io::Error>(text)
        };
        let text = match &self.netns {
            Some(netns) => netns::within(netns, ask)?,
            None => ask(),
        };
        let text = text.map_err(|e| format!("no {path}: {e}"))?;
        let status = text
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        let body = text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
        status.zip(body).ok_or_else(|| format!("no HTTP: {text:?}"))
    }

    /// What `/metrics` says.
    pub fn scrape(&self) -> Result<Scrape, String> {
        Ok(Scrape::parse(&self.get("/metrics")?.1))
    }

    /// Does something while readiness is watched; fails unless `/readyz` was 200 all the time.
    pub fn ready_while<T>(&self, act: impl FnOnce() -> Result<T, Stop>) -> Result<T, Stop> {
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let watching = scope.spawn(|| {
                let mut looks = 0;
                while !over.load(Ordering::Relaxed) || looks == 0 {
                    match self.get("/readyz") {
                        Ok((200, _)) => looks += 1,
                        Ok((status, body)) => return Err(format!("/readyz: {status} {body}")),
                        Err(why) => return Err(why),
                    }
                    thread::sleep(LOOK_EVERY);
                }
                Ok(looks)
            });
            let done = {
                // After a panic too, or the watch would never end.
                let _ends = Ends(&over);
                act()
            };
            let watched = watching.join().map_err(|_| "the watch panicked")?;
            let done = done?;
            watched?;
            Ok(done)
        })
    }
}

/// Says that something is over when it is dropped.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A line of the log as an event of this name.
fn event(line: &str, name: &str) -> Option<Value> {
    // Cheaper than parsing all of them.
    if !line.contains(&format!("\"event\":\"{name}\"")) {
        return None;
    }
    serde_json::from_str(line).ok()
}

/// What a gateway says it is.
pub fn version(gateway: &Path) -> Result<String, String> {
    process::version(&gateway.to_string_lossy(), &["--version"])
}
