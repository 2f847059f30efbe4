//! How a gateway is to be started, and starting it.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{run, Ended, Process, PATIENCE};

use super::gateway::Gateway;
use super::{ensure, Stop};

/// How a gateway is to be started: on a free port unless told otherwise. It dies with the thread
/// that starts it, which is why that is always the main one.
#[derive(Clone)]
pub struct Start {
    program: PathBuf,
    /// What comes before the program: something that runs it.
    before: Vec<String>,
    bind: Option<String>,
    args: Vec<String>,
    netns: Option<String>,
    env: Vec<(&'static str, &'static str)>,
}

/// A start that failed.
pub struct Refusal {
    /// The exit code, where it was no signal.
    pub code: Option<i32>,
    /// Its standard output.
    pub log: String,
    /// Its standard error.
    pub error: String,
}

impl Start {
    /// This program, on a free port of loopback.
    pub fn new(program: &Path) -> Self {
        Self {
            program: program.to_owned(),
            before: Vec::new(),
            bind: Some("127.0.0.1:0".into()),
            args: Vec::new(),
            netns: None,
            env: Vec::new(),
        }
    }

    /// With these arguments too.
    pub fn args<S: AsRef<str>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args
            .extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// At this address.
    pub fn bind(mut self, addr: SocketAddr) -> Self {
        self.bind = Some(addr.to_string());
        self
    }

    /// Over TLS with these files.
    pub fn tls(self, cert: &str, key: &str) -> Self {
        let pair = [
            "--transport.tls.cert-path",
            cert,
            "--transport.tls.key-path",
            key,
        ];
        self.args(["--transport.backend", "tls"]).args(pair)
    }

    /// On a Unix socket, for this user.
    pub fn uds(mut self, path: &str, uid: u32) -> Self {
        self.bind = None;
        let uid = uid.to_string();
        let args = ["--transport.backend", "uds", "--transport.uds.path", path];
        self.args(args).args(["--transport.uds.allow-uids", &uid])
    }

    /// With this configuration file.
    pub fn config(self, file: &str) -> Self {
        self.args(["--config", file])
    }

    /// Runs it by another program: what comes before its name.
    pub fn before(mut self, words: &[&str]) -> Self {
        self.before = words.iter().map(ToString::to_string).collect();
        self
    }

    /// The same from a copy of the program in this directory.
    pub fn copied_to(mut self, dir: &Path) -> Result<Self, String> {
        let copy = dir.join("ron-gateway");
        let copied = std::fs::copy(&self.program, &copy);
        copied.map_err(|e| format!("cannot copy the gateway: {e}"))?;
        self.program = copy;
        Ok(self)
    }

    /// Leaves it to others where it listens.
    pub fn unbound(mut self) -> Self {
        self.bind = None;
        self
    }

    /// With this in its environment.
    pub fn env(mut self, name: &'static str, value: &'static str) -> Self {
        self.env.push((name, value));
        self
    }

    /// Inside of a network namespace.
    pub fn within(mut self, netns: &str) -> Self {
        self.netns = Some(netns.to_owned());
        self
    }

    /// The program with these arguments alone, and without configuration of the environment.
    pub fn bare(&self, args: &[&str]) -> Command {
        let mut words: Vec<&str> = Vec::new();
        if let Some(netns) = &self.netns {
            words.extend(["ip", "netns", "exec", netns]);
        }
        words.extend(["setpriv", "--pdeathsig", "KILL"]);
        words.extend(self.before.iter().map(String::as_str));
        let mut command = Command::new(words[0]);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("RON_") {
                command.env_remove(name);
            }
        }
        command.envs(self.env.iter().copied());
        command.args(&words[1..]).arg(&self.program).args(args);
        command
    }

    fn command(&self) -> Command {
        let mut args: Vec<&str> = Vec::new();
        if let Some(bind) = &self.bind {
            args.extend(["--transport.bind-addr", bind]);
        }
        args.extend(["--admin", "127.0.0.1:0", "--gateway.log.format", "json"]);
        args.extend(self.args.iter().map(String::as_str));
        self.bare(&args)
    }

    /// Starts it and waits until it listens.
    pub fn spawn(&self) -> Result<Gateway, String> {
        let process = Process::start(&mut self.command())?;
        Gateway::of(process, self.netns.clone())
    }

    /// The same on a socket that somebody else has bound: descriptor 3 and `LISTEN_FDS`.
    pub fn spawn_on(mut self, socket: OwnedFd) -> Result<Gateway, String> {
        let pass = "exec 3<&0 </dev/null; export LISTEN_FDS=1 LISTEN_PID=$$; exec \"$@\"";
        self.before = ["sh", "-c", pass, "sh"].map(str::to_owned).into();
        let process = Process::start_on(&mut self.command(), socket)?;
        Gateway::of(process, self.netns)
    }

    /// Starts it where it must fail, without ever having been ready.
    pub fn refused(&self) -> Result<Refusal, Stop> {
        let ended = run(&mut self.command(), PATIENCE)?;
        let refusal = Refusal {
            code: ended.status.code(),
            log: String::from_utf8_lossy(&ended.out).into_owned(),
            error: ended.err,
        };
        let was_ready = refusal.log.contains("\"state\":\"Ready\"");
        ensure(!was_ready, || format!("it was ready: {}", refusal.log))?;
        Ok(refusal)
    }

    /// Runs a command of the program with the same configuration, such as `check` or `dial`.
    pub fn command_of(&self, words: &[&str]) -> Result<Ended, String> {
        let mut args = words.to_vec();
        args.extend(self.args.iter().map(String::as_str));
        run(&mut self.bare(&args), PATIENCE)
    }
}

impl Refusal {
    /// Fails unless it ended with this code and said this; the line that says it.
    pub fn says(&self, code: i32, text: &str) -> Result<String, Stop> {
        let line = self.error.lines().find(|line| line.contains(text));
        let line = line.filter(|_| self.code == Some(code)).ok_or_else(|| {
            format!(
                "not code {code} and {text:?}, but {:?}: {}",
                self.code, self.error
            )
        })?;
        Ok(format!("exit code {code}, \"{line}\""))
    }

    /// Fails unless readiness was told as this.
    pub fn not_ready(&self, reason: &str) -> Result<(), Stop> {
        let state = format!("\"state\":\"NotReady(\\\"{reason}\\\")\"");
        ensure(self.log.contains(&state), || {
            format!("no {state} in {}", self.log)
        })
    }
}
