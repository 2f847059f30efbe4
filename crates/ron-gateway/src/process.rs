//! Limits and figures of this process, from the kernel.

use std::fs::File;
use std::os::fd::RawFd;
use std::os::unix::fs::FileExt;

use mimalloc::MiMalloc;
use rustix::process::{
    getrlimit, set_dumpable_behavior, setrlimit, DumpableBehavior, Resource, Rlimit,
};
use rustix::time::{clock_gettime, ClockId};

/// Descriptors that connections leave free.
///
/// Half are for the admin endpoint; the others are for files, the service manager, `/proc`, and
/// sockets that are refused right after accept.
const RESERVE: usize = 24;

/// Returns the limit on open file descriptors; `None` is unlimited.
pub(crate) fn max_fd() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// Returns the lowest descriptor number that connections may not use.
pub(crate) fn max_conn_fd() -> Option<RawFd> {
    max_fd().map(without_reserve)
}

/// Returns the descriptors for admin connections.
///
/// With all of them open, the rest of the reserve is still free.
pub(crate) fn admin_conns() -> usize {
    max_fd().map_or(RESERVE / 2, half_of_reserve)
}

fn half_of_reserve(limit: u64) -> usize {
    (reserve(limit) / 2).max(1)
}

/// Returns the reserve: at most a quarter of a small limit.
fn reserve(limit: u64) -> usize {
    usize::try_from(limit / 4).unwrap_or(RESERVE).min(RESERVE)
}

fn without_reserve(limit: u64) -> RawFd {
    let kept = limit - reserve(limit) as u64;
    RawFd::try_from(kept).unwrap_or(RawFd::MAX)
}

/// Disables core dumps of this process.
///
/// This covers files, and also pipes to a collector such as systemd-coredump, which no size limit
/// restricts.
pub(crate) fn no_core_dumps() -> std::io::Result<()> {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none)?;
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

/// Process figures of `/metrics`; `None` if the system has none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProcessFigures {
    pub(crate) open_fds: Option<u64>,
    pub(crate) max_fds: Option<u64>,
    pub(crate) cpu_seconds: f64,
    pub(crate) resident_bytes: Option<u64>,
    /// Memory that the allocator has from the system.
    pub(crate) heap_bytes: Option<u64>,
}

impl ProcessFigures {
    /// Reads the current figures.
    pub(crate) fn read() -> Self {
        Self {
            open_fds: open_fds(),
            max_fds: max_fd(),
            cpu_seconds: cpu_seconds(),
            resident_bytes: resident_bytes(),
            heap_bytes: heap_bytes(),
        }
    }
}

/// Returns the number of open descriptors.
///
/// Linux since 6.2 reports it as the size of the directory.
fn open_fds() -> Option<u64> {
    let dir = "/proc/self/fd";
    match std::fs::metadata(dir).ok()?.len() {
        0 => {
            let entries = std::fs::read_dir(dir).ok()?.count();
            // Subtract the descriptor of the listing itself.
            Some((entries as u64).saturating_sub(1))
        }
        count => Some(count),
    }
}

/// Returns user and system time of all threads, in seconds.
fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Returns the committed bytes of the allocator's statistics.
fn heap_bytes() -> Option<u64> {
    let json = MiMalloc::stats_json().ok()?;
    let stats: serde_json::Value = serde_json::from_slice(json.to_bytes()).ok()?;
    stats["committed"]["current"].as_u64()
}

fn resident_bytes() -> Option<u64> {
    ResidentMemory::open()?.bytes()
}

/// Resident memory of this process, read from an open file.
#[derive(Debug)]
pub(crate) struct ResidentMemory(File);

impl ResidentMemory {
    pub(crate) fn open() -> Option<Self> {
        File::open("/proc/self/statm").ok().map(Self)
    }

    /// Reads the second field of `statm`, in pages.
    pub(crate) fn bytes(&self) -> Option<u64> {
        let mut statm = [0; 256];
        let len = self.0.read_at(&mut statm, 0).ok()?;
        let statm = std::str::from_utf8(statm.get(..len)?).ok()?;
        let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
        pages.checked_mul(rustix::param::page_size() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserve_shrinks_with_the_limit() {
        assert_eq!(without_reserve(1024), 1000);
        assert_eq!(without_reserve(64), 48);
        assert_eq!(without_reserve(20), 15);
        assert_eq!(without_reserve(0), 0);
        assert_eq!(without_reserve(u64::MAX), RawFd::MAX);
        let admin = [1024, 64, 20, 4, 0].map(half_of_reserve);
        assert_eq!(admin, [12, 8, 2, 1, 1]);
    }

    #[test]
    fn every_figure_exists_on_linux() {
        let before = ProcessFigures::read();
        let file = std::fs::File::open("/proc/self/statm").unwrap();
        let block = vec![1_u8; 64 << 20];
        let after = ProcessFigures::read();
        drop((file, block));
        let grown = after.heap_bytes.unwrap() - before.heap_bytes.unwrap();
        assert!(((64 << 20)..(80 << 20)).contains(&grown), "{grown}");
        assert!(before.resident_bytes.unwrap() > 100_000);
        assert!(before.open_fds.unwrap() >= 3 && after.open_fds.unwrap() >= 4);
        assert!(after.cpu_seconds >= before.cpu_seconds && after.cpu_seconds > 0.0);
    }
}
