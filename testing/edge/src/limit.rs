//! A memory limit: a control group, version 2 or 1, else `prlimit`.

use std::fs;
use std::path::{Path, PathBuf};

/// The means of limiting memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Means {
    /// All memory that the kernel charges to the group, including sockets.
    Cgroup2,
    /// The same without sockets.
    Cgroup1,
    /// `RLIMIT_DATA`: private writable pages, touched or not, at least the resident ones.
    ///
    /// Not `RLIMIT_AS`: the allocator and the thread stacks reserve addresses that they never
    /// touch.
    Prlimit,
}

impl Means {
    const ALL: [Self; 3] = [Self::Cgroup2, Self::Cgroup1, Self::Prlimit];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Cgroup2 => "cgroup2",
            Self::Cgroup1 => "cgroup1",
            Self::Prlimit => "prlimit",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|means| means.name() == name)
    }
}

/// A limit, removed on drop.
pub(crate) struct Limit {
    pub(crate) means: Means,
    pub(crate) bytes: u64,
    group: Option<PathBuf>,
}

impl Limit {
    /// Limits memory by the given means, else by the first available one.
    pub(crate) fn new(bytes: u64, asked: Option<Means>) -> Result<Self, String> {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let mut whys = Vec::new();
        for means in Means::ALL {
            if asked.is_some_and(|asked| asked != means) {
                continue;
            }
            match Self::make(means, bytes, &mounts) {
                Ok(limit) => return Ok(limit),
                Err(why) => whys.push(format!("{}: {why}", means.name())),
            }
        }
        Err(format!("no memory limit: {}", whys.join("; ")))
    }

    fn make(means: Means, bytes: u64, mounts: &str) -> Result<Self, String> {
        let place = match means {
            Means::Prlimit => {
                return Ok(Self {
                    means,
                    bytes,
                    group: None,
                })
            }
            Means::Cgroup1 => mount_of(mounts, "cgroup", |options| {
                options.split(',').any(|option| option == "memory")
            }),
            Means::Cgroup2 => mount_of(mounts, "cgroup2", |_| true).filter(|place| {
                let passed_on = fs::read_to_string(place.join("cgroup.subtree_control"));
                passed_on.is_ok_and(|all| all.split_whitespace().any(|one| one == "memory"))
            }),
        };
        let place = place.ok_or("the controller is not mounted")?;
        let group = place.join(format!("ron-edge-{}", std::process::id()));
        fs::create_dir_all(&group).map_err(|e| format!("cannot create the group: {e}"))?;
        let limit = Self {
            means,
            bytes,
            group: Some(group),
        };
        let file = match means {
            Means::Cgroup2 => "memory.max",
            Means::Cgroup1 | Means::Prlimit => "memory.limit_in_bytes",
        };
        limit.write(file, &bytes.to_string())?;
        // Swap must not relax the limit; without swap this file does not exist.
        let _ = limit.write("memory.swap.max", "0");
        let _ = limit.write("memory.memsw.limit_in_bytes", &bytes.to_string());
        Ok(limit)
    }

    /// Returns the words that start a program within the limit.
    pub(crate) fn words(&self) -> Vec<String> {
        match &self.group {
            Some(group) => {
                let enter = format!("echo $$ > {}/cgroup.procs && exec \"$@\"", group.display());
                ["sh", "-c", &enter, "sh"].map(str::to_owned).into()
            }
            None => ["prlimit", &format!("--data={}", self.bytes)]
                .map(str::to_owned)
                .into(),
        }
    }

    /// Returns the peak charge in bytes and the number of out-of-memory kills.
    ///
    /// `None` for `prlimit`, which counts neither.
    pub(crate) fn charged(&self) -> Result<Option<(u64, u64)>, String> {
        let Some(group) = &self.group else {
            return Ok(None);
        };
        let read = |file: &str| {
            let text = fs::read_to_string(group.join(file));
            text.map_err(|e| format!("cannot read {file}: {e}"))
        };
        let number = |text: &str| text.trim().parse::<u64>().map_err(|e| e.to_string());
        let (peak, killed) = match self.means {
            Means::Cgroup2 => (read("memory.peak")?, read("memory.events")?),
            Means::Cgroup1 | Means::Prlimit => (
                read("memory.max_usage_in_bytes")?,
                read("memory.oom_control")?,
            ),
        };
        let kills = killed
            .lines()
            .find_map(|line| line.strip_prefix("oom_kill "));
        Ok(Some((number(&peak)?, number(kills.ok_or("no oom_kill")?)?)))
    }

    fn write(&self, file: &str, text: &str) -> Result<(), String> {
        let group = self.group.as_deref().unwrap_or(Path::new("/"));
        fs::write(group.join(file), text).map_err(|e| format!("cannot set {file}: {e}"))
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        if let Some(group) = &self.group {
            // The group is empty once the gateway has ended.
            let _ = fs::remove_dir(group);
        }
    }
}

/// Returns the mount point of a file system by type and option.
fn mount_of(mounts: &str, kind: &str, fits: impl Fn(&str) -> bool) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (place, its_kind, options) = (words.next()?, words.next()?, words.next()?);
        (its_kind == kind && fits(options)).then(|| place.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_controller_found_among_mounts() {
        let mounts = "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n\
                      cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n\
                      cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        let memory = |options: &str| options.ends_with("memory");
        let found = mount_of(mounts, "cgroup", memory);
        assert_eq!(found, Some("/sys/fs/cgroup/memory".into()));
        assert_eq!(mount_of(mounts, "cgroup2", memory), None);
    }

    #[test]
    fn prlimit_is_always_available() {
        let limit = Limit::new(64 << 20, Some(Means::Prlimit)).unwrap();
        assert_eq!(limit.words(), ["prlimit", "--data=67108864"]);
        assert_eq!(limit.charged(), Ok(None));
    }
}
