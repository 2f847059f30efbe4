//! Child processes with collected output and a bounded lifetime.
//!
//! Each child leads a process group of its own, which is killed when its [`Process`] is dropped.
//! All functions block.

use std::io::Write;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{
    kill_process, kill_process_group, waitid, Pid, Signal, WaitId, WaitIdOptions, WaitIdStatus,
};

pub use crate::output::{Output, PATIENCE};

const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Polls until `look` returns a value.
///
/// # Errors
/// The error of `look`, or a timeout after `within`.
pub fn wait_for<T>(
    what: &str,
    within: Duration,
    mut look: impl FnMut() -> Result<Option<T>, String>,
) -> Result<T, String> {
    let deadline = Instant::now() + within;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if Instant::now() > deadline {
            return Err(format!("timeout after {within:?}: {what}"));
        }
        thread::sleep(POLL_INTERVAL);
    }
}

/// A running process.
pub struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    /// The standard output.
    pub out: Output,
    /// The standard error.
    pub err: Output,
}

/// A process that ended by itself.
pub struct Ended {
    /// The exit status.
    pub status: ExitStatus,
    /// The standard output.
    pub out: Vec<u8>,
    /// The standard error.
    pub err: String,
}

impl Process {
    /// Starts a process with pipes for its input and output.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start(command: &mut Command) -> Result<Self, String> {
        Self::start_prepared(command.stdin(Stdio::piped()))
    }

    /// Starts a process whose command already has its standard input.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start_prepared(command: &mut Command) -> Result<Self, String> {
        let (mut process, out) = Self::spawn(command)?;
        process.out = Output::read(out);
        Ok(process)
    }

    /// Starts a process, and reads its output up to this text.
    ///
    /// The pipe stays open, so the process blocks once it is full.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start_stalled(command: &mut Command, until: &'static str) -> Result<Self, String> {
        let (mut process, out) = Self::spawn(command)?;
        process.out = Output::read_until(out, until);
        Ok(process)
    }

    /// Starts a process whose standard input and output belong to the caller.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start_with_pipes(
        command: &mut Command,
    ) -> Result<(Self, ChildStdin, ChildStdout), String> {
        let (mut process, out) = Self::spawn(command.stdin(Stdio::piped()))?;
        let stdin = process.stdin.take().ok_or("the process has no input")?;
        Ok((process, stdin, out))
    }

    fn spawn(command: &mut Command) -> Result<(Self, ChildStdout), String> {
        let name = command.get_program().to_string_lossy().into_owned();
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let spawned = command.process_group(0).spawn();
        let mut child = spawned.map_err(|e| format!("cannot start {name}: {e}"))?;
        let (stdin, out, err) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(out), Some(err)) = (out, err) else {
            return Err(format!("{name} has no pipes"));
        };
        let process = Self {
            child,
            stdin,
            out: Output::default(),
            err: Output::read(err),
        };
        Ok((process, out))
    }

    /// Returns the process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Writes to the standard input, which stays open.
    ///
    /// # Errors
    /// The input is closed on either side.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        let stdin = self.stdin.as_mut().ok_or("the process's input is closed")?;
        let written = stdin.write_all(bytes).and_then(|()| stdin.flush());
        written.map_err(|e| format!("cannot write to the process: {e}: {}", self.err.text()))
    }

    /// Closes the standard input.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// The process has ended.
    pub fn signal(&self, signal: Signal) -> Result<(), String> {
        let sent = kill_process(Pid::from_child(&self.child), signal);
        sent.map_err(|e| format!("cannot signal the process: {e}"))
    }

    /// Stops all threads of the process until it is continued or killed.
    ///
    /// A thread can run on for a while after SIGSTOP was sent; this waits for the last one.
    ///
    /// # Errors
    /// The process has ended.
    pub fn hang(&self) -> Result<(), String> {
        self.signal(Signal::STOP)?;
        let stopped = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG;
        wait_for("the stop of all threads", PATIENCE, || {
            let state = waitid(WaitId::Pid(Pid::from_child(&self.child)), stopped);
            let state = state.map_err(|e| format!("cannot wait for the process: {e}"))?;
            Ok(state.filter(WaitIdStatus::stopped).map(drop))
        })
    }

    /// Closes the standard input and waits for the end of the process.
    ///
    /// # Errors
    /// The process has not ended within this time, and was killed.
    pub fn wait(mut self, within: Duration) -> Result<Ended, String> {
        self.close_stdin();
        let child = &mut self.child;
        let status = wait_for("the end of a process", within, || {
            child.try_wait().map_err(|e| e.to_string())
        });
        let status = status.map_err(|e| format!("{e}: {}", self.err.text()))?;
        // Grandchildren may keep the pipes open, so the wait for the end of the output is bounded.
        self.out.wait(|_| None::<()>);
        self.err.wait(|_| None::<()>);
        Ok(Ended {
            status,
            out: self.out.bytes(),
            err: self.err.text(),
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The whole group may have ended already.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}

/// Runs a program to its end.
///
/// # Errors
/// The program cannot be started, or does not end within this time.
pub fn run(command: &mut Command, within: Duration) -> Result<Ended, String> {
    Process::start(command)?.wait(within)
}

/// Returns the first line of a program's version output.
///
/// # Errors
/// The program cannot be run, or fails.
pub fn version(program: &str, args: &[&str]) -> Result<String, String> {
    let ended = run(Command::new(program).args(args), PATIENCE)?;
    if !ended.status.success() {
        let why = ended.err.lines().last().unwrap_or("no error text");
        return Err(format!("{program} does not run: {why}"));
    }
    let out = String::from_utf8_lossy(&ended.out);
    Ok(out.lines().next().unwrap_or_default().trim().to_owned())
}
