//! CPU time of threads and of process trees, read from outside, in the scheduler's nanoseconds
//! (`/proc/…/schedstat`, first field). It is exact once the thread sleeps.

use std::fs;
use std::path::Path;

/// CPU seconds, user and system, of one thread of this process.
pub(crate) fn of_thread(tid: i32) -> f64 {
    schedstat(Path::new(&format!("/proc/self/task/{tid}")))
}

/// CPU seconds of every thread of a process and of its children, by their ids. No proxy ends a
/// thread that worked while it is measured.
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

fn schedstat(of: &Path) -> f64 {
    let text = fs::read_to_string(of.join("schedstat")).unwrap();
    let nanos: f64 = text.split_whitespace().next().unwrap().parse().unwrap();
    nanos / 1e9
}
