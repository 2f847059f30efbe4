//! CPU time of threads and process trees (`/proc/…/schedstat`, first field).
//!
//! The scheduler counts in nanoseconds; the value is exact while the thread sleeps.

use std::fs;
use std::path::Path;

/// Returns the CPU seconds of a thread, user and system.
pub(crate) fn of_thread(tid: i32) -> f64 {
    schedstat(Path::new(&format!("/proc/self/task/{tid}")))
}

/// Returns the CPU seconds of a process tree, by thread id.
///
/// No proxy ends a working thread during a measurement.
pub(crate) fn of_tree(pid: u32) -> f64 {
    let mut sum = 0.0;
    for task in fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        let task = task.unwrap().path();
        sum += schedstat(&task);
        let children = fs::read_to_string(task.join("children")).unwrap();
        for child in children.split_whitespace() {
            sum += of_tree(child.parse().unwrap());
        }
    }
    sum
}

/// Returns a process and its descendants.
pub(crate) fn pids(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    for task in fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        let children = fs::read_to_string(task.unwrap().path().join("children")).unwrap();
        for child in children.split_whitespace() {
            all.extend(pids(child.parse().unwrap()));
        }
    }
    all
}

fn schedstat(of: &Path) -> f64 {
    let text = fs::read_to_string(of.join("schedstat")).unwrap();
    let nanos: f64 = text.split_whitespace().next().unwrap().parse().unwrap();
    nanos / 1e9
}
