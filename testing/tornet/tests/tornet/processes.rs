//! The processes of a network in `/proc` (`proc(5)`).

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// The longest wait of a test.
const LIMIT: Duration = Duration::from_secs(90);

/// A process with a network's directory in its arguments.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    /// The program's name without its path.
    pub(crate) name: String,
}

/// Returns the processes that run.
pub(crate) fn of(dir: &Path) -> Vec<Process> {
    let within = format!("{}/", dir.display());
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap() {
        let path = entry.unwrap().path();
        let pid = path
            .file_name()
            .and_then(|name| name.to_str()?.parse().ok());
        // Processes may end meanwhile. A zombie has no arguments.
        let arguments = fs::read_to_string(path.join("cmdline")).unwrap_or_default();
        let names = |argument: &str| argument.starts_with(&within) || Path::new(argument) == dir;
        if let Some(pid) = pid.filter(|_| arguments.split('\0').any(names)) {
            let name = fs::read_to_string(path.join("comm")).unwrap_or_default();
            found.push(Process {
                pid,
                name: name.trim().to_owned(),
            });
        }
    }
    found
}

/// Returns the `tor` processes.
pub(crate) fn tors_of(dir: &Path) -> Vec<Process> {
    let mut found = of(dir);
    found.retain(|process| process.name == "tor");
    found
}

/// Waits until the condition holds.
pub(crate) fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < deadline, "timeout: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
