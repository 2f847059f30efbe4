//! CPU affinity: subjects on the first core, clients on the last.
//!
//! Nothing moves between caches during a measurement. Threads and processes inherit the core of
//! their parent thread.

use std::sync::OnceLock;

use rustix::thread::{sched_getaffinity, sched_setaffinity, CpuSet};

/// The first and the last allowed core of this process.
static CORES: OnceLock<(usize, usize)> = OnceLock::new();

/// Moves this thread to the measured core.
pub(crate) fn measured() {
    pin(cores().0);
}

/// Moves this thread to the other core.
pub(crate) fn beside() {
    pin(cores().1);
}

/// Lets this thread run on both cores.
pub(crate) fn both() {
    let (first, last) = cores();
    let mut cores = CpuSet::new();
    cores.set(first);
    cores.set(last);
    sched_setaffinity(None, &cores).unwrap();
}

fn cores() -> (usize, usize) {
    *CORES.get_or_init(|| {
        let allowed = sched_getaffinity(None).unwrap();
        let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
        let first = cores.next().unwrap();
        (first, cores.next_back().unwrap_or(first))
    })
}

fn pin(core: usize) {
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores).unwrap();
}
