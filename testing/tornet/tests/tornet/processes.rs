//! The processes of a network, as the system shows them (`proc(5)`).

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// Ends a test that waits for something that does not come.
const LIMIT: Duration = Duration::from_secs(90);

/// A process that names a network's directory in its arguments.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    /// The program, without its path.
    pub(crate) name: String,
}

/// Those that are alive.
pub(crate) fn of(dir: &Path) -> Vec<Process> {
    let within = format!("{}/", dir.display());
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap() {
        let path = entry.unwrap().path();
        let pid = path
            .file_name()
            .and_then(|name| name.to_str()?.parse().ok());
        // Others end while we look. What has ended and was not waited for has no arguments.
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

/// The `tor`s among them.
pub(crate) fn tors_of(dir: &Path) -> Vec<Process> {
    let mut found = of(dir);
    found.retain(|process| process.name == "tor");
    found
}

/// Waits until it is so; fails where it does not come to be.
pub(crate) fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < deadline, "still waiting until {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
