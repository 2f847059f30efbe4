//! Ends a network whose owner is gone, by whatever way it went: a child that waits for the end of
//! a pipe, which the kernel closes when the owner dies. A shared network is never dropped, and a
//! killed process drops nothing.
//!
//! tor itself looks for its owner only every 15 s, not at all while it is stopped, and leaves its
//! directory; it is the second net, for when this child was killed too.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Kills what the `pid` files name, if it is of this directory still (a number may have become
/// another process's), and removes the directory, again if somebody was just writing to it.
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

/// The child. Dropping it lets it do its work, and waits for it.
#[derive(Debug)]
pub(super) struct Sweeper(Child);

impl Sweeper {
    pub(super) fn start(dir: &Path) -> io::Result<Self> {
        let mut sh = Command::new("sh");
        sh.args(["-c", SCRIPT, "tornet-sweeper"]).arg(dir);
        sh.stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        // Whoever interrupts or kills the group of the owner does not mean this one.
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
