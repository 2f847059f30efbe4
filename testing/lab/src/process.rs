//! A program's process, for harnesses: its output collected, its life bounded. It leads a process
//! group of its own, which ends with the value that stands for it. All of it blocks.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{kill_process, kill_process_group, Pid, Signal};

/// Longest wait for anything that is no scanner.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// How often something is looked at again.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Looks again and again until there is something.
///
/// # Errors
/// What `look` fails with; or that the time is over.
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
            return Err(format!("waited {within:?} in vain for {what}"));
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// What a process writes, as it comes.
#[derive(Clone, Default)]
pub struct Output(Arc<(Mutex<Seen>, Condvar)>);

#[derive(Default)]
struct Seen {
    bytes: Vec<u8>,
    at_most: Option<usize>,
    ended: bool,
}

impl Seen {
    /// Drops what is too much, at twice as much and not before, so that a byte is moved once.
    fn forget(&mut self) {
        let Some(at_most) = self.at_most else { return };
        if self.bytes.len() > at_most * 2 {
            self.bytes.drain(..self.bytes.len() - at_most);
        }
    }
}

impl Output {
    fn read(mut from: impl Read + Send + 'static) -> Self {
        let output = Self::default();
        let into = output.clone();
        thread::spawn(move || {
            let mut buffer = vec![0; 64 << 10];
            loop {
                let read = from.read(&mut buffer).unwrap_or(0);
                let (seen, changed) = &*into.0;
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.bytes.extend_from_slice(&buffer[..read]);
                seen.forget();
                seen.ended = read == 0;
                changed.notify_all();
                if seen.ended {
                    return;
                }
            }
        });
        output
    }

    /// Waits until what was written so far fits, or for its end.
    pub fn wait<T>(&self, look: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
        let (seen, changed) = &*self.0;
        let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        let goes_on = |seen: &mut Seen| look(&seen.bytes).is_none() && !seen.ended;
        let waited = changed.wait_timeout_while(seen, PATIENCE, goes_on);
        let (seen, _) = waited.unwrap_or_else(PoisonError::into_inner);
        look(&seen.bytes)
    }

    /// Waits for a line that fits; what `look` makes of it.
    pub fn line<T>(&self, look: impl Fn(&str) -> Option<T>) -> Option<T> {
        self.wait(|bytes| String::from_utf8_lossy(bytes).lines().find_map(&look))
    }

    /// From now on only the last so many bytes are kept, for a process that runs long.
    pub fn keep_last(&self, bytes: usize) {
        let mut seen = self.0 .0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.at_most = Some(bytes);
        seen.forget();
    }

    /// Everything so far.
    pub fn bytes(&self) -> Vec<u8> {
        let seen = self.0 .0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.bytes.clone()
    }

    /// The same as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }
}

/// A running process.
pub struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    /// Its standard output.
    pub out: Output,
    /// Its standard error.
    pub err: Output,
}

/// A process that ended by itself.
pub struct Ended {
    /// How it ended.
    pub status: ExitStatus,
    /// Everything on its standard output.
    pub out: Vec<u8>,
    /// Everything on its standard error.
    pub err: String,
}

impl Process {
    /// Starts it with pipes for its input and output.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(command: &mut Command) -> Result<Self, String> {
        Self::start_on(command, Stdio::piped())
    }

    /// Starts it with this as its input, and pipes for its output.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start_on(command: &mut Command, input: impl Into<Stdio>) -> Result<Self, String> {
        let name = command.get_program().to_string_lossy().into_owned();
        let pipes = command.stdin(input).stdout(Stdio::piped());
        let spawned = pipes.stderr(Stdio::piped()).process_group(0).spawn();
        let mut child = spawned.map_err(|e| format!("cannot start {name}: {e}"))?;
        let (stdin, out, err) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(out), Some(err)) = (out, err) else {
            return Err(format!("{name} has no pipes"));
        };
        Ok(Self {
            child,
            stdin,
            out: Output::read(out),
            err: Output::read(err),
        })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Writes to its standard input, which stays open.
    ///
    /// # Errors
    /// The input is closed, by us or by it.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        let stdin = self.stdin.as_mut().ok_or("its input is closed")?;
        let written = stdin.write_all(bytes).and_then(|()| stdin.flush());
        written.map_err(|e| format!("cannot write to it: {e}: {}", self.err.text()))
    }

    /// Ends its standard input.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// It is gone.
    pub fn signal(&self, signal: Signal) -> Result<(), String> {
        let sent = kill_process(Pid::from_child(&self.child), signal);
        sent.map_err(|e| format!("cannot signal it: {e}"))
    }

    /// Closes its input and waits for its end.
    ///
    /// # Errors
    /// It has not ended within this time; it is killed then.
    pub fn wait(mut self, within: Duration) -> Result<Ended, String> {
        self.close_stdin();
        let child = &mut self.child;
        let status = wait_for("a process to end", within, || {
            child.try_wait().map_err(|e| e.to_string())
        });
        let status = status.map_err(|e| format!("{e}: {}", self.err.text()))?;
        // Children of its own may hold the pipes; what is there after its end is what it wrote.
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
        // The group is ours; it may be gone already.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}

/// Runs a program to its end.
///
/// # Errors
/// It cannot be started, or does not end within this time.
pub fn run(command: &mut Command, within: Duration) -> Result<Ended, String> {
    Process::start(command)?.wait(within)
}

/// The first line that a program prints, about its version.
///
/// # Errors
/// It does not run, or not well.
pub fn version(program: &str, args: &[&str]) -> Result<String, String> {
    let ended = run(Command::new(program).args(args), PATIENCE)?;
    if !ended.status.success() {
        let why = ended.err.lines().last().unwrap_or("no reason given");
        return Err(format!("{program} does not run: {why}"));
    }
    let out = String::from_utf8_lossy(&ended.out);
    Ok(out.lines().next().unwrap_or_default().trim().to_owned())
}
