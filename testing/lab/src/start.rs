//! The command line of a gateway, and its start.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use crate::gateway::Gateway;
use crate::process::{run, Ended, Process, PATIENCE};
use crate::{ensure, Stop};

/// The settings of a gateway to start.
///
/// It listens on a free loopback port by default.
///
/// The kernel kills the gateway when the thread that started it ends.
#[derive(Clone)]
pub struct Start {
    program: PathBuf,
    /// Words before the program's name: a wrapper that executes it.
    before: Vec<String>,
    bind: Option<String>,
    admin: String,
    log_format: Option<&'static str>,
    args: Vec<String>,
    netns: Option<String>,
    env: Vec<(String, String)>,
    max_fd: Option<u32>,
    socket: Option<Arc<OwnedFd>>,
    exports_watchdog_pid: bool,
}

/// A gateway that ended before it was ready.
pub struct Refusal {
    /// The exit code; `None` after a signal.
    pub code: Option<i32>,
    /// The standard output.
    pub log: String,
    /// The standard error.
    pub error: String,
}

impl Start {
    /// Starts this program on a free loopback port, with JSON logs.
    pub fn new(program: &Path) -> Self {
        Self {
            program: program.to_owned(),
            before: Vec::new(),
            bind: Some("127.0.0.1:0".into()),
            admin: "127.0.0.1:0".into(),
            log_format: Some("json"),
            args: Vec::new(),
            netns: None,
            env: Vec::new(),
            max_fd: None,
            socket: None,
            exports_watchdog_pid: false,
        }
    }

    /// Adds arguments.
    pub fn args<S: AsRef<str>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args
            .extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Listens on this address.
    pub fn bind(mut self, addr: SocketAddr) -> Self {
        self.bind = Some(addr.to_string());
        self
    }

    /// Sets the address of the admin endpoint.
    pub fn admin(mut self, addr: &str) -> Self {
        addr.clone_into(&mut self.admin);
        self
    }

    /// Keeps the log format of the gateway's default.
    pub fn default_log_format(mut self) -> Self {
        self.log_format = None;
        self
    }

    /// Listens with TLS, with these files.
    pub fn tls(self, cert: &str, key: &str) -> Self {
        let pair = [
            "--transport.tls.cert-path",
            cert,
            "--transport.tls.key-path",
            key,
        ];
        self.args(["--transport.backend", "tls"]).args(pair)
    }

    /// Listens on a Unix socket that admits this user.
    pub fn uds(mut self, path: &str, uid: u32) -> Self {
        self.bind = None;
        let uid = uid.to_string();
        let args = ["--transport.backend", "uds", "--transport.uds.path", path];
        self.args(args).args(["--transport.uds.allow-uids", &uid])
    }

    /// Loads this configuration file.
    pub fn config(self, file: &str) -> Self {
        self.args(["--config", file])
    }

    /// Runs the gateway through a wrapper: the words before its name.
    pub fn before(mut self, words: &[&str]) -> Self {
        self.before = words.iter().map(ToString::to_string).collect();
        self
    }

    /// Runs a copy of the program in this directory.
    pub fn copied_to(mut self, dir: &Path) -> Result<Self, String> {
        let copy = dir.join("ron-gateway");
        let copied = std::fs::copy(&self.program, &copy);
        copied.map_err(|e| format!("cannot copy the gateway: {e}"))?;
        self.program = copy;
        Ok(self)
    }

    /// Leaves the listen address to the configuration.
    pub fn unbound(mut self) -> Self {
        self.bind = None;
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs in a network namespace.
    pub fn within(mut self, netns: &str) -> Self {
        self.netns = Some(netns.to_owned());
        self
    }

    /// Limits the number of open file descriptors.
    pub fn max_fd(mut self, limit: u32) -> Self {
        self.max_fd = Some(limit);
        self
    }

    /// Passes a bound socket as descriptor 3, with `LISTEN_FDS`.
    pub fn socket(mut self, socket: impl Into<OwnedFd>) -> Self {
        self.socket = Some(Arc::new(socket.into()));
        self
    }

    /// Sets `WATCHDOG_PID` to the gateway's process, as systemd does.
    pub fn watchdog_pid(mut self) -> Self {
        self.exports_watchdog_pid = true;
        self
    }

    /// Returns a command with these arguments, without the environment's `RON_*`.
    pub fn bare(&self, args: &[&str]) -> Command {
        let mut words: Vec<&str> = Vec::new();
        if let Some(netns) = &self.netns {
            words.extend(["ip", "netns", "exec", netns]);
        }
        words.extend(["setpriv", "--pdeathsig", "KILL"]);
        let script = self.script();
        if let Some(script) = &script {
            words.extend(["sh", "-c", script, "sh"]);
        }
        words.extend(self.before.iter().map(String::as_str));
        let mut command = command_without_settings(words[0]);
        command.envs(self.env.iter().cloned());
        command.args(&words[1..]).arg(&self.program).args(args);
        command
    }

    /// Returns the shell script that prepares the process, if it needs one.
    fn script(&self) -> Option<String> {
        let mut script = String::new();
        if let Some(limit) = self.max_fd {
            script += &format!("ulimit -n {limit} && ");
        }
        if self.exports_watchdog_pid {
            script += "export WATCHDOG_PID=$$ && ";
        }
        if self.socket.is_some() {
            script += "exec 3<&0 </dev/null && export LISTEN_FDS=1 LISTEN_PID=$$ && ";
        }
        (!script.is_empty()).then(|| script + "exec \"$@\"")
    }

    /// Returns the command that starts the gateway.
    pub fn command(&self) -> Result<Command, String> {
        let mut args: Vec<&str> = Vec::new();
        if let Some(bind) = &self.bind {
            args.extend(["--transport.bind-addr", bind]);
        }
        args.extend(["--admin", &self.admin]);
        if let Some(format) = self.log_format {
            args.extend(["--gateway.log.format", format]);
        }
        args.extend(self.args.iter().map(String::as_str));
        let mut command = self.bare(&args);
        if let Some(socket) = &self.socket {
            let copy = socket.try_clone();
            command.stdin(copy.map_err(|e| format!("cannot pass the socket: {e}"))?);
        }
        Ok(command)
    }

    /// Starts the gateway and waits until it listens.
    pub fn spawn(&self) -> Result<Gateway, String> {
        let process = Process::start_prepared(&mut self.command()?)?;
        Gateway::of(process, self.netns.clone())
    }

    /// Starts the gateway, and stops reading its log after the event `start`.
    pub fn spawn_with_stalled_log(&self) -> Result<Gateway, String> {
        let process = Process::start_stalled(&mut self.command()?, "event=start")?;
        Gateway::of(process, self.netns.clone())
    }

    /// Starts a gateway that must fail before it is ready.
    pub fn refused(&self) -> Result<Refusal, Stop> {
        let ended = Process::start_prepared(&mut self.command()?)?.wait(PATIENCE)?;
        let refusal = Refusal {
            code: ended.status.code(),
            log: String::from_utf8_lossy(&ended.out).into_owned(),
            error: ended.err,
        };
        let was_ready = refusal.log.contains("\"state\":\"Ready\"");
        ensure(!was_ready, || {
            format!("the gateway was ready: {}", refusal.log)
        })?;
        Ok(refusal)
    }

    /// Runs a command of the program with the same configuration.
    ///
    /// Such as `check` or `dial`.
    pub fn command_of(&self, words: &[&str]) -> Result<Ended, String> {
        let mut args = words.to_vec();
        args.extend(self.args.iter().map(String::as_str));
        run(&mut self.bare(&args), PATIENCE)
    }
}

impl Refusal {
    /// Checks the exit code and returns the line with this text.
    pub fn says(&self, code: i32, text: &str) -> Result<String, Stop> {
        let line = self.error.lines().find(|line| line.contains(text));
        let line = line.filter(|_| self.code == Some(code)).ok_or_else(|| {
            format!(
                "expected exit code {code} and {text:?}, got {:?}: {}",
                self.code, self.error
            )
        })?;
        Ok(format!("exit code {code}, \"{line}\""))
    }

    /// Fails unless the log reports readiness `NotReady` with this reason.
    pub fn not_ready(&self, reason: &str) -> Result<(), Stop> {
        let state = format!("\"state\":\"NotReady(\\\"{reason}\\\")\"");
        ensure(self.log.contains(&state), || {
            format!("no {state} in {}", self.log)
        })
    }
}

/// Returns a command without the environment's `RON_*` variables, and without standard input.
pub fn command_without_settings(program: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("RON_") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}
