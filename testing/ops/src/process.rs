//! A child that leads a process group of its own, which ends with the value that stands for it.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{kill_process, kill_process_group, Pid, Signal};

/// Longest wait for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// How often something is looked at again.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Looks again and again until there is something.
pub(crate) fn wait_for<T>(
    what: &str,
    mut look: impl FnMut() -> Result<Option<T>, String>,
) -> Result<T, String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if Instant::now() > deadline {
            return Err(format!("waited in vain for {what}"));
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// A running child.
pub(crate) struct Process {
    pub(crate) child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Process {
    /// Starts it; what it writes to these is read line by line.
    pub(crate) fn start(command: &mut Command, out: bool) -> Result<Self, String> {
        let name = command.get_program().to_string_lossy().into_owned();
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let spawned = command.process_group(0).spawn();
        let mut child = spawned.map_err(|e| format!("cannot start {name}: {e}"))?;
        let lines = Arc::default();
        if let Some(err) = child.stderr.take() {
            collect(err, &lines);
        }
        if let Some(pipe) = child.stdout.take_if(|_| out) {
            collect(pipe, &lines);
        }
        Ok(Self { child, lines })
    }

    /// Waits for a line; what `look` makes of it.
    pub(crate) fn line<T>(
        &self,
        what: &str,
        look: impl Fn(&str) -> Option<T>,
    ) -> Result<T, String> {
        let found = wait_for(what, || {
            let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(lines.iter().find_map(|line| look(line)))
        });
        found.map_err(|why| format!("{why}: {}", self.said()))
    }

    pub(crate) fn said(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.join("\n")
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<(), String> {
        let sent = kill_process(Pid::from_child(&self.child), signal);
        sent.map_err(|e| format!("cannot signal it: {e}"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The group is ours; it may be gone already.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}

fn collect(from: impl Read + Send + 'static, into: &Arc<Mutex<Vec<String>>>) {
    let into = Arc::clone(into);
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            into.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(line);
        }
    });
}
