//! The lab's harness for gateways, with failures as panics.

mod http;
pub(crate) mod net;
mod pki;
mod sandbox;

pub(crate) use http::{exchange, request, Response};
pub(crate) use net::{
    aborted, bound_to_nothing, connect, connect_from, echoes, ended, pattern, read_all, refuses,
    round_trip, runtime,
};
pub(crate) use pki::Pki;
pub(crate) use ron_lab::process::PATIENCE;
pub(crate) use ron_lab::{command_without_settings as command, field};
pub(crate) use sandbox::{kernel_can_sandbox, SANDBOX};

use std::io::BufReader;
use std::net::SocketAddr;
use std::ops::Deref;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal};

/// The built program.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_ron-gateway");

/// Polls until `look` returns a value.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    ron_lab::process::wait_for(what, PATIENCE, || Ok(look())).unwrap()
}

/// Runs the program to its end: exit code, stdout, stderr.
pub(crate) fn run(args: &[&str], env: &[(&str, &str)]) -> (i32, String, String) {
    let mut command = ron_lab::Start::new(Path::new(PROGRAM)).bare(args);
    let output = command.envs(env.iter().copied()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let code = output.status.code().unwrap();
    (code, text(output.stdout), text(output.stderr))
}

/// The settings of a gateway, in the sandbox where supported.
pub(crate) struct Start {
    start: ron_lab::Start,
    args: Vec<String>,
    stalled: bool,
    watchdog_of_all: bool,
    has_watchdog: bool,
}

impl Default for Start {
    fn default() -> Self {
        let start = ron_lab::Start::new(Path::new(PROGRAM)).default_log_format();
        Self {
            start: start.env(SANDBOX, sandbox::mode()),
            args: Vec::new(),
            stalled: false,
            watchdog_of_all: false,
            has_watchdog: false,
        }
    }
}

impl Start {
    fn map(mut self, change: impl FnOnce(ron_lab::Start) -> ron_lab::Start) -> Self {
        self.start = change(self.start);
        self
    }

    /// Leaves the listen address to the configuration.
    pub(crate) fn unbound(self) -> Self {
        self.map(ron_lab::Start::unbound)
    }

    /// Sets the address of the admin endpoint.
    pub(crate) fn admin(self, addr: &str) -> Self {
        self.map(|start| start.admin(addr))
    }

    pub(crate) fn args(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(ToString::to_string));
        self.map(|start| start.args(args))
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.has_watchdog |= name == "WATCHDOG_USEC";
        self.map(|start| start.env(name, value))
    }

    /// Limits the number of open file descriptors.
    pub(crate) fn max_fd(self, limit: u32) -> Self {
        self.map(|start| start.max_fd(limit))
    }

    /// Passes a bound socket as a service manager does.
    pub(crate) fn socket(self, socket: impl Into<OwnedFd>) -> Self {
        self.map(|start| start.socket(socket))
    }

    /// Runs the gateway through a wrapper: the words before its name.
    pub(crate) fn before(self, words: &[&str]) -> Self {
        self.map(|start| start.before(words))
    }

    /// Writes the gateway's file system calls to a file, by strace.
    ///
    /// The tracer is a separate process, so signals reach the gateway.
    pub(crate) fn trace(self, to: &Path) -> Self {
        let to = to.to_str().unwrap();
        let strace = [
            "strace",
            "-D",
            "-f",
            "-q",
            "-e",
            "trace=%file,%desc",
            "-o",
            to,
        ];
        self.map(|start| start.before(&strace))
    }

    /// Stops reading the log after the event `start`.
    ///
    /// The pipe stays open.
    pub(crate) fn stalled(mut self) -> Self {
        self.stalled = true;
        self
    }

    /// Omits `WATCHDOG_PID`, so the watchdog applies to any process.
    pub(crate) fn watchdog_of_all(mut self) -> Self {
        self.watchdog_of_all = true;
        self
    }

    fn prepared(self) -> ron_lab::Start {
        if self.has_watchdog && !self.watchdog_of_all {
            return self.start.watchdog_pid();
        }
        self.start
    }

    /// Starts a gateway that logs to a file; returns its addresses.
    pub(crate) fn spawn_logging_to(self, path: &Path) -> (Process, SocketAddr, SocketAddr) {
        let mut command = self.command();
        command.stdout(std::fs::File::create(path).unwrap());
        let process = Process(command.spawn().unwrap());
        let (listen, admin) = wait_for("the start in the log", || {
            let log = std::fs::read_to_string(path).unwrap();
            let addr = |name| log.lines().find_map(|line| ron_lab::started(line, name));
            let addr = |name| addr(name)?.parse().ok();
            addr("listen").zip(addr("admin"))
        });
        (process, listen, admin)
    }

    /// Starts a gateway with the added arguments only.
    ///
    /// The caller reads its stdout.
    pub(crate) fn spawn_bare(&self) -> (Process, BufReader<ChildStdout>) {
        let args: Vec<&str> = self.args.iter().map(String::as_str).collect();
        let mut command = self.start.bare(&args);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        (Process(child), out)
    }

    /// Returns the command that starts the gateway, with pipes for its output.
    pub(crate) fn command(self) -> Command {
        let mut command = self.prepared().command().unwrap();
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Starts the gateway and waits until it listens.
    pub(crate) fn spawn(self) -> Gateway {
        let stalled = self.stalled;
        let start = self.prepared();
        let gateway = if stalled {
            start.spawn_with_stalled_log()
        } else {
            start.spawn()
        };
        let gateway = gateway.unwrap_or_else(|why| panic!("{why}"));
        Gateway {
            admin: gateway.admin.addr(),
            gateway,
        }
    }
}

/// A process that is killed on drop.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.0)
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        wait_for("the end of the process", || self.0.try_wait().unwrap())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A running gateway.
pub(crate) struct Gateway {
    gateway: ron_lab::Gateway,
    /// The admin endpoint, if its address is an IP address.
    pub(crate) admin: SocketAddr,
}

impl Deref for Gateway {
    type Target = ron_lab::Gateway;

    fn deref(&self) -> &Self::Target {
        &self.gateway
    }
}

impl Gateway {
    /// Starts a gateway with these arguments.
    pub(crate) fn start(args: &[&str]) -> Self {
        Start::default().args(args).spawn()
    }

    /// Waits for a log line with all of these texts.
    pub(crate) fn line_with(&self, texts: &[&str]) -> String {
        let found = self.out().line(|line| {
            let matches = texts.iter().all(|text| line.contains(text));
            matches.then(|| line.to_owned())
        });
        found.unwrap_or_else(|| {
            panic!(
                "no line with {texts:?}:\n{}\n{}",
                self.log(),
                self.err().text()
            )
        })
    }

    /// Returns the standard error once it contains this text.
    pub(crate) fn error_with(&self, text: &str) -> String {
        let found = self.err().line(|line| line.contains(text).then_some(()));
        assert!(found.is_some(), "no {text:?} in {}", self.err().text());
        self.err().text()
    }

    /// Sends a GET request to the admin endpoint.
    pub(crate) fn get(&self, path: &str) -> Response {
        http::request(self.admin, "GET", path, "")
    }

    /// Sends a request with another method, or with further header lines.
    pub(crate) fn request(&self, method: &str, path: &str, headers: &str) -> Response {
        http::request(self.admin, method, path, headers)
    }

    /// Returns the value of one series, written as in the exposition.
    pub(crate) fn metric(&self, series: &str) -> f64 {
        let value = self.gateway.scrape().unwrap().value(series);
        assert!(!value.is_nan(), "no {series}");
        value
    }

    /// Waits until a series has this value.
    pub(crate) fn wait_metric(&self, series: &str, value: u32) {
        wait_for(&format!("{series} {value}"), || {
            let found = self.metric(series);
            ((found - f64::from(value)).abs() < 0.5).then_some(())
        });
    }

    pub(crate) fn pid(&self) -> u32 {
        self.gateway.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.gateway.signal(signal).unwrap();
    }

    /// Waits for the end of the process: status, stdout and stderr.
    pub(crate) fn wait(self) -> (ExitStatus, String, String) {
        let ended = self.gateway.wait().unwrap();
        let log = String::from_utf8_lossy(&ended.out);
        let line_end = ['\n'];
        (
            ended.status,
            log.trim_end_matches(line_end).to_owned(),
            ended.err.trim_end_matches(line_end).to_owned(),
        )
    }

    /// Sends SIGTERM, expects exit code 0, and returns the log.
    pub(crate) fn stop(self) -> String {
        self.signal(Signal::TERM);
        let (status, log, errors) = self.wait();
        assert_eq!(status.code(), Some(0), "{log}\n{errors}");
        assert_eq!(errors, "");
        log
    }
}
