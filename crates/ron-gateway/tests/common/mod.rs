//! A gateway process on free ports, which dies with the value that stands for it.

mod http;
mod lines;
mod net;
mod pki;
mod sandbox;

pub(crate) use http::{exchange, request, Response};
pub(crate) use net::{
    aborted, bound_to_nothing, connect, connect_from, echoes, ended, pattern, read_all, refuses,
    round_trip, runtime,
};
pub(crate) use pki::Pki;
pub(crate) use sandbox::{kernel_can_sandbox, SANDBOX};

use std::io::BufReader;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use lines::Lines;
use rustix::process::{kill_process, Pid, Signal};

/// Longest wait for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// How often something is looked at again.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The built program.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_ron-gateway");

/// Looks again and again until there is something.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let tries = PATIENCE.as_millis() / LOOK_EVERY.as_millis();
    for _ in 0..tries {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    panic!("waited in vain for {what}");
}

/// A command without any configuration of the surrounding environment.
pub(crate) fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("RON_") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// Runs the program to its end: exit code, stdout, stderr.
pub(crate) fn run(args: &[&str], env: &[(&str, &str)]) -> (i32, String, String) {
    let mut command = command(PROGRAM);
    let command = command.args(args).envs(env.iter().copied());
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let code = output.status.code().unwrap();
    (code, text(output.stdout), text(output.stderr))
}

/// How a gateway is to be started: on port 0, and with what is added.
pub(crate) struct Start {
    bind: Option<&'static str>,
    admin: String,
    args: Vec<String>,
    env: Vec<(String, String)>,
    max_fd: Option<u32>,
    socket: Option<OwnedFd>,
    trace: Option<PathBuf>,
    stalled: bool,
    watchdog_of_all: bool,
}

impl Default for Start {
    fn default() -> Self {
        Self {
            bind: Some("127.0.0.1:0"),
            admin: "127.0.0.1:0".to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            max_fd: None,
            socket: None,
            trace: None,
            stalled: false,
            watchdog_of_all: false,
        }
    }
}

impl Start {
    /// Leaves it to the configuration where it listens.
    pub(crate) fn unbound(mut self) -> Self {
        self.bind = None;
        self
    }

    /// With its admin endpoint there.
    pub(crate) fn admin(mut self, addr: &str) -> Self {
        addr.clone_into(&mut self.admin);
        self
    }

    pub(crate) fn args(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(ToString::to_string));
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Lets it open no more than this many descriptors.
    pub(crate) fn max_fd(mut self, limit: u32) -> Self {
        self.max_fd = Some(limit);
        self
    }

    /// Passes it a socket as a service manager does: descriptor 3, and `LISTEN_FDS`.
    pub(crate) fn socket(mut self, socket: impl Into<OwnedFd>) -> Self {
        self.socket = Some(socket.into());
        self
    }

    /// Has strace write its system calls of the file system to a file. The tracer is a process of
    /// its own, so that signals go to the gateway.
    pub(crate) fn trace(mut self, to: &Path) -> Self {
        self.trace = Some(to.to_owned());
        self
    }

    /// Reads its log no further than the line that tells the addresses, and keeps the pipe open.
    pub(crate) fn stalled(mut self) -> Self {
        self.stalled = true;
        self
    }

    /// Leaves `WATCHDOG_PID` out: the watchdog is meant for any process.
    pub(crate) fn watchdog_of_all(mut self) -> Self {
        self.watchdog_of_all = true;
        self
    }

    /// Starts it with its log in a file, and waits until it listens: where, and where its admin
    /// endpoint is.
    pub(crate) fn spawn_logging_to(self, path: &Path) -> (Process, SocketAddr, SocketAddr) {
        let mut command = self.command();
        command.stdout(std::fs::File::create(path).unwrap());
        let process = Process(command.spawn().unwrap());
        let (listen, admin) = wait_for("the start in the log", || {
            let log = std::fs::read_to_string(path).unwrap();
            let line = log.lines().find(|line| started(line, "admin").is_some())?;
            let addr = |name| started(line, name)?.parse().ok();
            addr("listen").zip(addr("admin"))
        });
        (process, listen, admin)
    }

    /// Starts it with nothing but what was added; its stdout is the caller's to read.
    pub(crate) fn spawn_bare(&self) -> (Process, BufReader<ChildStdout>) {
        let mut command = command(PROGRAM);
        command.env(SANDBOX, sandbox::mode());
        let command = command.args(&self.args).envs(self.env.iter().cloned());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        (Process(child), out)
    }

    /// What starts it.
    pub(crate) fn command(self) -> Command {
        let mut prepare = String::new();
        if let Some(limit) = self.max_fd {
            prepare += &format!("ulimit -n {limit} && ");
        }
        let has = |variable| self.env.iter().any(|(name, _)| name == variable);
        if has("WATCHDOG_USEC") && !self.watchdog_of_all {
            prepare += "export WATCHDOG_PID=$$ && ";
        }
        if self.socket.is_some() {
            prepare += "exec 3<&0 </dev/null && export LISTEN_FDS=1 LISTEN_PID=$$ && ";
        }
        prepare += "exec ";
        if let Some(to) = &self.trace {
            prepare += &format!("strace -D -f -q -e trace=%file,%desc -o {} ", to.display());
        }
        let mut command = command("sh");
        command.args(["-c", &format!("{prepare} \"$0\" \"$@\""), PROGRAM]);
        if let Some(socket) = self.socket {
            command.stdin(socket);
        }
        command
            .args(
                self.bind
                    .map_or(vec![], |bind| vec!["--transport.bind-addr", bind]),
            )
            .args(["--admin", &self.admin])
            .args(&self.args)
            .env(SANDBOX, sandbox::mode())
            .envs(self.env)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Starts it and waits until it listens.
    pub(crate) fn spawn(self) -> Gateway {
        let stalled = self.stalled;
        let mut child = self.command().spawn().unwrap();
        let until = stalled.then_some("event=start");
        let log = Lines::read(child.stdout.take().unwrap(), until);
        let errors = Lines::read(child.stderr.take().unwrap(), None);
        let mut gateway = Gateway {
            process: Process(child),
            log,
            errors,
            listen: String::new(),
            addr: SocketAddr::from(([0; 4], 0)),
            admin: SocketAddr::from(([0; 4], 0)),
        };
        let found = gateway.log.wait(|line| started(line, "admin").is_some());
        let line = found.unwrap_or_else(|| gateway.line_with(&["event=start"]));
        gateway.listen = started(&line, "listen").unwrap();
        if let Ok(addr) = gateway.listen.parse() {
            gateway.addr = addr;
        }
        if let Ok(addr) = started(&line, "admin").unwrap().parse() {
            gateway.admin = addr;
        }
        gateway
    }
}

/// A field of the line that tells of the start, in logfmt or JSON.
fn started(line: &str, name: &str) -> Option<String> {
    if let Ok(json) = serde_json::from_str::<serde_json::Value>(line) {
        let is_start = json["event"] == "start";
        return json[name].as_str().filter(|_| is_start).map(str::to_owned);
    }
    let is_start = field(line, "event") == Some("start");
    field(line, name).filter(|_| is_start).map(str::to_owned)
}

/// The value of a field of a logfmt line, where it is plain.
pub(crate) fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let start = format!("{name}=");
    line.split(' ').find_map(|word| word.strip_prefix(&start))
}

/// A process that is killed when it is dropped.
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
        // It may be gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A running gateway.
pub(crate) struct Gateway {
    process: Process,
    log: Lines,
    errors: Lines,
    /// Where it listens, as it logs it.
    pub(crate) listen: String,
    /// Where it listens, if that is an IP address.
    pub(crate) addr: SocketAddr,
    /// Where its admin endpoint is, if that is an IP address.
    pub(crate) admin: SocketAddr,
}

impl Gateway {
    /// A gateway with these arguments.
    pub(crate) fn start(args: &[&str]) -> Self {
        Start::default().args(args).spawn()
    }

    /// Waits for a line of the log that has all of these texts.
    pub(crate) fn line_with(&self, texts: &[&str]) -> String {
        let found = self
            .log
            .wait(|line| texts.iter().all(|text| line.contains(text)));
        found.unwrap_or_else(|| {
            panic!(
                "no line with {texts:?}:\n{}\n{}",
                self.log(),
                self.errors.text()
            )
        })
    }

    /// Everything on stderr, once it has this text.
    pub(crate) fn error_with(&self, text: &str) -> String {
        let found = self.errors.wait(|line| line.contains(text));
        assert!(found.is_some(), "no {text:?} in {}", self.errors.text());
        self.errors.text()
    }

    /// The log so far.
    pub(crate) fn log(&self) -> String {
        self.log.text()
    }

    /// Asks the admin endpoint.
    pub(crate) fn get(&self, path: &str) -> Response {
        http::request(self.admin, "GET", path, "")
    }

    /// Sends the admin endpoint a request with another method, or with further header lines.
    pub(crate) fn request(&self, method: &str, path: &str, headers: &str) -> Response {
        http::request(self.admin, method, path, headers)
    }

    /// The value of one series, written as in the exposition.
    pub(crate) fn metric(&self, series: &str) -> f64 {
        let body = self.get("/metrics").body;
        let start = format!("{series} ");
        let value = body.lines().find_map(|line| line.strip_prefix(&start));
        let value = value.unwrap_or_else(|| panic!("no {series} in\n{body}"));
        value.parse().unwrap()
    }

    /// Waits until a series has a value.
    pub(crate) fn wait_metric(&self, series: &str, value: u32) {
        wait_for(&format!("{series} {value}"), || {
            let found = self.metric(series);
            ((found - f64::from(value)).abs() < 0.5).then_some(())
        });
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.0.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process.0), signal).unwrap();
    }

    /// Waits for its end: status, and everything it wrote to stdout and stderr.
    pub(crate) fn wait(mut self) -> (ExitStatus, String, String) {
        let status = wait_for("the end of the gateway", || {
            self.process.0.try_wait().unwrap()
        });
        self.log.wait_end();
        self.errors.wait_end();
        (status, self.log.text(), self.errors.text())
    }

    /// Ends it gently and checks that it took it so.
    pub(crate) fn stop(self) -> String {
        self.signal(Signal::TERM);
        let (status, log, errors) = self.wait();
        assert_eq!(status.code(), Some(0), "{log}\n{errors}");
        assert_eq!(errors, "");
        log
    }
}
