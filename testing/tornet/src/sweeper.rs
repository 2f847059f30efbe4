//! Ends a network whose owner has died in any way.
//!
//! A child waits for the end of a pipe, which the kernel closes when the owner dies. A shared
//! network is never dropped, and a killed process drops nothing.
//!
//! tor itself checks for its owner only every 15 s, never while it is stopped, and leaves its
//! directory behind. It is the fallback if this child is killed too.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Kills the processes of the `pid` files and removes the directory.
///
/// A process id counts only while the process names the directory, because it may be reused. The
/// removal is repeated in case a process was just writing.
const SCRIPT: &str = r#"
read -r _
for file in "$1"/*/pid; do
    pid=$(cat "$file" 2>/dev/null) || continue
    grep -qsaF -- "$1/" "/proc/$pid/cmdline" && kill -KILL "$pid"
done
for _ in 1 2 3 4 5 6 7 8 9 10; do
    rm -rf -- "$1" 2>/dev/null && exit
    sleep 0.2
done
"#;

/// The child; dropping it starts the sweep and waits for it.
#[derive(Debug)]
pub(super) struct Sweeper(Child);

impl Sweeper {
    pub(super) fn start(dir: &Path) -> io::Result<Self> {
        let mut sh = Command::new("sh");
        sh.args(["-c", SCRIPT, "tornet-sweeper"]).arg(dir);
        sh.stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        // A signal for the owner's process group must not reach this process.
        sh.process_group(0);
        sh.spawn().map(Self)
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
