//! Memory usage and limit of the control group.
//!
//! Reads cgroup v2 (`memory.high`, `memory.max`) and v1 (`memory.limit_in_bytes`) of the process's
//! own group and its ancestors. The files of groups with a limit are opened once, so that neither
//! the sandbox nor a lack of descriptors stops the readings.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// A v1 limit from here on means unlimited.
///
/// The kernel writes the largest number of pages.
const UNLIMITED: u64 = 1 << 60;
/// Size of the largest file, `memory.stat`, in bytes.
const MAX_FILE: usize = 16 << 10;

/// One reading of used memory and its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MemoryReading {
    /// Bytes in use.
    pub(crate) used: u64,
    /// Limit in bytes.
    pub(crate) limit: u64,
    /// Name of the limit.
    pub(crate) source: &'static str,
}

impl MemoryReading {
    /// Returns used bytes divided by the limit.
    pub(crate) fn ratio(self) -> f64 {
        self.used as f64 / self.limit.max(1) as f64
    }
}

/// The groups of the process that have a limit, innermost first.
#[derive(Debug)]
pub(crate) struct Cgroup(Vec<MemoryGroup>);

impl Cgroup {
    /// Finds the groups of this process that have a limit.
    ///
    /// Empty without a memory controller.
    pub(crate) fn of_self() -> Self {
        Self::find(Path::new("/"))
    }

    fn find(root: &Path) -> Self {
        let read = |path| fs::read_to_string(root.join(path)).unwrap_or_default();
        let (groups, mounts) = (read("proc/self/cgroup"), read("proc/self/mountinfo"));
        let versions = [CgroupVersion::One, CgroupVersion::Two];
        let levels = versions.into_iter().find_map(|version| {
            let (mount, dir) = version.place(&groups, &mounts)?;
            let mount = root.join(mount.strip_prefix("/").ok()?);
            let levels = levels(version, &mount, &dir);
            (!levels.is_empty()).then_some(levels)
        });
        Self(levels.unwrap_or_default())
    }

    /// Returns whether no group has a limit.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the reading closest to its limit; `None` without a limit.
    pub(crate) fn usage(&self) -> Option<MemoryReading> {
        let readings = self.0.iter().filter_map(MemoryGroup::usage);
        readings.max_by(|a, b| a.ratio().total_cmp(&b.ratio()))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CgroupVersion {
    One,
    Two,
}

impl CgroupVersion {
    /// Returns the mount point of the hierarchy, and the group below it.
    fn place(self, groups: &str, mounts: &str) -> Option<(PathBuf, PathBuf)> {
        let group = groups.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':');
            let (number, controllers) = (fields.next()?, fields.next()?);
            let ours = match self {
                Self::One => controllers.split(',').any(|name| name == "memory"),
                Self::Two => number == "0" && controllers.is_empty(),
            };
            ours.then(|| fields.next()).flatten()
        })?;
        let (root, mount) = mounts.lines().find_map(|line| {
            let (before, after) = line.split_once(" - ")?;
            let mut before = before.split(' ').skip(3);
            let (root, mount) = (before.next()?, before.next()?);
            let mut after = after.split(' ');
            let (kind, options) = (after.next()?, after.nth(1)?);
            let ours = match self {
                Self::One => kind == "cgroup" && options.split(',').any(|name| name == "memory"),
                Self::Two => kind == "cgroup2",
            };
            ours.then_some((root, mount))
        })?;
        // In a container the mount is often the group itself.
        let below = Path::new(group).strip_prefix(root).unwrap_or(Path::new(""));
        let is_plain = below
            .components()
            .all(|part| matches!(part, std::path::Component::Normal(_)));
        let below = if is_plain { below } else { Path::new("") };
        Some((mount.into(), below.into()))
    }
}

/// Opens the groups from the innermost to the mount point.
fn levels(version: CgroupVersion, mount: &Path, below: &Path) -> Vec<MemoryGroup> {
    let dirs = below.ancestors().map(|dir| mount.join(dir));
    let levels = dirs.filter_map(|dir| MemoryGroup::open(version, &dir));
    levels.filter(|level| level.limit().is_some()).collect()
}

/// The open files of one group.
#[derive(Debug)]
struct MemoryGroup {
    version: CgroupVersion,
    used: File,
    stat: Option<File>,
    high: Option<File>,
    max: Option<File>,
}

impl MemoryGroup {
    fn open(version: CgroupVersion, dir: &Path) -> Option<Self> {
        let open = |name| File::open(dir.join(name)).ok();
        let (used, high, max) = match version {
            CgroupVersion::One => (
                open("memory.usage_in_bytes")?,
                None,
                open("memory.limit_in_bytes"),
            ),
            CgroupVersion::Two => (
                open("memory.current")?,
                open("memory.high"),
                open("memory.max"),
            ),
        };
        Some(Self {
            version,
            used,
            stat: open("memory.stat"),
            high,
            max,
        })
    }

    /// Returns the reading of this group.
    ///
    /// Inactive page cache does not count as used: the kernel drops it first.
    fn usage(&self) -> Option<MemoryReading> {
        let (limit, source) = self.limit()?;
        let used = number(&self.used)?;
        let cache = self.stat.as_ref().and_then(|file| self.cache(file));
        Some(MemoryReading {
            used: used.saturating_sub(cache.unwrap_or(0)),
            limit,
            source,
        })
    }

    fn cache(&self, stat: &File) -> Option<u64> {
        let name = match self.version {
            CgroupVersion::One => "total_inactive_file ",
            CgroupVersion::Two => "inactive_file ",
        };
        let text = text(stat)?;
        let value = text.lines().find_map(|line| line.strip_prefix(name))?;
        value.parse().ok()
    }

    /// Returns the effective limit and its name.
    ///
    /// At `memory.high` the kernel slows the process down; at the hard limit it kills it, so a
    /// tenth of that stays free.
    fn limit(&self) -> Option<(u64, &'static str)> {
        let hard = match self.version {
            CgroupVersion::One => "memory.limit_in_bytes",
            CgroupVersion::Two => "memory.max",
        };
        let high = self.high.as_ref().and_then(number);
        let max = self.max.as_ref().and_then(number);
        let max = max.filter(|max| *max < UNLIMITED);
        let max = max.map(|max| (max - max / 10, hard));
        let high = high.map(|high| (high, "memory.high"));
        high.into_iter().chain(max).min()
    }
}

/// Reads a number; `max` is `None`.
fn number(file: &File) -> Option<u64> {
    text(file)?.trim().parse().ok()
}

/// Reads an open file from its start.
fn text(file: &File) -> Option<String> {
    let (mut bytes, mut len) = (vec![0; MAX_FILE], 0);
    while len < bytes.len() {
        match file.read_at(&mut bytes[len..], len as u64).ok()? {
            0 => break,
            read => len += read,
        }
    }
    bytes.truncate(len);
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// Creates a root directory with these files.
    fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    fn usage(files: &[(&str, &str)]) -> Option<MemoryReading> {
        Cgroup::find(root(files).path()).usage()
    }

    const V2: &[(&str, &str)] = &[
        ("proc/self/cgroup", "0::/system.slice/ron.service\n"),
        (
            "proc/self/mountinfo",
            "24 1 8:1 / / rw - ext4 /dev/a rw\n\
             30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
        ),
    ];
    const GROUP: &str = "sys/fs/cgroup/system.slice/ron.service";

    fn v2(group: &[(&str, &str)]) -> Option<MemoryReading> {
        let named: Vec<_> = group
            .iter()
            .map(|(name, text)| (format!("{GROUP}/{name}"), *text))
            .collect();
        let group = named.iter().map(|(name, text)| (name.as_str(), *text));
        usage(&V2.iter().copied().chain(group).collect::<Vec<_>>())
    }

    #[test]
    fn v2_uses_lower_of_high_and_max() {
        for (high, max, limit, source) in [
            ("104857600\n", "max\n", 100 * MIB, "memory.high"),
            ("104857600\n", "209715200\n", 100 * MIB, "memory.high"),
            ("max\n", "104857600\n", 90 * MIB, "memory.max"),
            ("104857600\n", "104857600\n", 90 * MIB, "memory.max"),
        ] {
            let found = v2(&[
                ("memory.current", "52428800\n"),
                ("memory.high", high),
                ("memory.max", max),
            ]);
            let used = 50 * MIB;
            assert_eq!(
                found,
                Some(MemoryReading {
                    used,
                    limit,
                    source
                }),
                "{high} {max}"
            );
        }
        let unlimited = [
            ("memory.current", "52428800\n"),
            ("memory.high", "max\n"),
            ("memory.max", "max\n"),
        ];
        assert_eq!(v2(&unlimited), None);
        assert_eq!(v2(&[]), None);
    }

    #[test]
    fn inactive_page_cache_is_not_counted() {
        let found = v2(&[
            ("memory.current", "104857600\n"),
            ("memory.high", "104857600\n"),
            (
                "memory.stat",
                "anon 5\ninactive_file 52428800\nactive_file 7\n",
            ),
        ]);
        assert_eq!(found.unwrap().used, 50 * MIB);
    }

    #[test]
    fn parent_group_with_lower_limit_applies() {
        let slice = "sys/fs/cgroup/system.slice";
        let own = |name: &str| format!("{GROUP}/{name}");
        let above = |name: &str| format!("{slice}/{name}");
        let files = [
            (own("memory.current"), "10485760"),
            (own("memory.high"), "104857600"),
            (above("memory.current"), "94371840"),
            (above("memory.high"), "104857600"),
        ];
        let files = files.iter().map(|(name, text)| (name.as_str(), *text));
        let found = usage(&V2.iter().copied().chain(files).collect::<Vec<_>>());
        assert_eq!(found.unwrap().used, 90 * MIB);
    }

    #[test]
    fn v1_limit_leaves_a_tenth() {
        let proc = [
            ("proc/self/cgroup", "4:cpu:/a\n3:memory:/docker/abc\n0::/\n"),
            (
                "proc/self/mountinfo",
                "40 1 0:33 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                 41 1 0:32 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
            ),
        ];
        let with = |limit| {
            let group = [
                ("sys/fs/cgroup/memory/memory.usage_in_bytes", "52428800\n"),
                ("sys/fs/cgroup/memory/memory.limit_in_bytes", limit),
                (
                    "sys/fs/cgroup/memory/memory.stat",
                    "inactive_file 1\ntotal_inactive_file 1048576\n",
                ),
            ];
            usage(&[&proc[..], &group[..]].concat())
        };
        let expected = MemoryReading {
            used: 49 * MIB,
            limit: 90 * MIB,
            source: "memory.limit_in_bytes",
        };
        assert_eq!(with("104857600\n"), Some(expected));
        assert_eq!(with("9223372036854771712\n"), None);
    }

    #[test]
    fn unusual_systems_have_no_group() {
        assert_eq!(usage(&[]), None);
        assert_eq!(usage(&[("proc/self/cgroup", "0::/../..\n")]), None);
        let outside = [("proc/self/cgroup", "0::/../../etc\n"), V2[1]];
        assert_eq!(usage(&outside), None);
        // The test machine may have a group or none.
        let _ = Cgroup::of_self().usage();
    }
}
