//! Who runs on which core: what is measured on the first, clients and upstream on the last, so that
//! nothing moves between caches while it is measured. Threads and processes inherit the core of the
//! thread that starts them.

use std::sync::OnceLock;

use rustix::thread::{sched_getaffinity, sched_setaffinity, CpuSet};

/// The first and the last core that this process began with.
static CORES: OnceLock<(usize, usize)> = OnceLock::new();

/// From now on this thread runs where it is measured.
pub(crate) fn measured() {
    pin(cores().0);
}

/// From now on this thread runs where it is not measured.
pub(crate) fn beside() {
    pin(cores().1);
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
