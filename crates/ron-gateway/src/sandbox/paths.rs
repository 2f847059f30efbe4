//! The paths that the process reads and writes for a configuration.

#[cfg(test)]
mod tests;

use std::fs::{self, DirBuilder, Metadata};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ron_transport::config::{named_paths, NamedPath, Settings};
use ron_transport::schema::PathUse;
use ron_transport::Config;

use super::links::{follow, is_shared};
use super::system_paths;
use crate::effective::EffectiveConfig;
use crate::settings::{Gateway, ListenerSettings};

/// The access to allow below a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PathAccess {
    /// Reading.
    Read,
    /// Reading and writing one file.
    ReadWriteFile,
    /// Creating and removing sockets.
    Sockets,
    /// Everything except executing programs and creating devices.
    Write,
}

/// A path and the access allowed below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PathGrant {
    pub(super) path: PathBuf,
    pub(super) access: PathAccess,
}

/// A file that is allowed without its directory.
///
/// Device and inode identify it.
#[derive(Debug)]
struct SingleFile {
    path: PathBuf,
    inode: (u64, u64),
    warned: bool,
}

/// The paths that the process may reach.
#[derive(Debug, Default)]
pub(super) struct AllowedPaths {
    grants: Vec<PathGrant>,
    /// Device and inode of each grant's path; another directory there stays closed.
    inodes: Vec<(u64, u64)>,
    singles: Mutex<Vec<SingleFile>>,
    /// Keys of files that become unreadable when replaced by a rename.
    fixed: Vec<String>,
}

/// A path of a configuration, and its key.
struct SandboxPath {
    key: String,
    usage: PathUse,
    path: PathBuf,
}

impl AllowedPaths {
    /// Collects every path of the configuration.
    ///
    /// Creates missing directories that are written to.
    pub(super) fn new(effective: &EffectiveConfig, config_files: &[PathBuf]) -> Self {
        let mut allowed = Self::default();
        for path in system_paths::READ {
            allowed.grant(Path::new(path), PathAccess::Read);
        }
        for path in system_paths::READ_FILES {
            allowed.read_target(Path::new(path));
        }
        for path in system_paths::WRITE_FILES {
            allowed.grant(Path::new(path), PathAccess::ReadWriteFile);
        }
        for path in system_paths::trust_store() {
            allowed.read(&path);
        }
        if !rustix::process::geteuid().is_root() {
            // The system replaces files there by renames, and their modes protect secret files.
            allowed.grant(Path::new("/etc"), PathAccess::Read);
        }
        for configured in files(config_files).chain(configured(effective)) {
            match configured.usage {
                PathUse::Read => {
                    allowed.read(&configured.path);
                    if !allowed.in_directory(&configured.path) {
                        allowed.fixed.push(configured.key);
                    }
                }
                PathUse::Socket => {
                    if let Some(dir) = follow(&configured.path).1.parent() {
                        allowed.grant(dir, PathAccess::Sockets);
                    }
                }
                PathUse::Write => allowed.write(&configured.path),
            }
        }
        allowed
    }

    /// Returns the paths to allow.
    pub(super) fn grants(&self) -> &[PathGrant] {
        &self.grants
    }

    /// Returns the keys of files that a rename makes unreadable.
    pub(super) fn fixed(&self) -> &[String] {
        &self.fixed
    }

    /// Checks that the configuration files are allowed.
    pub(super) fn check_files(&self, config_files: &[PathBuf]) -> Result<(), String> {
        self.check_all(files(config_files))
    }

    /// Checks that the files of a configuration are allowed.
    pub(super) fn check(&self, effective: &EffectiveConfig) -> Result<(), String> {
        self.check_all(configured(effective))
    }

    fn check_all(&self, configured: impl IntoIterator<Item = SandboxPath>) -> Result<(), String> {
        let configured = configured.into_iter();
        let reads = configured.filter(|configured| configured.usage == PathUse::Read);
        let closed: Vec<_> = reads
            .filter(|configured| !self.reads(&configured.path))
            .map(|configured| configured.key)
            .collect();
        if closed.is_empty() {
            return Ok(());
        }
        Err(format!(
            "the sandbox forbids the file of {}: it allows only the directories configured at the \
             start; restart the gateway to use this file",
            closed.join(", ")
        ))
    }

    /// Returns single files that were replaced, each once.
    pub(super) fn newly_replaced(&self) -> Vec<PathBuf> {
        let mut singles = self.singles.lock().unwrap_or_else(PoisonError::into_inner);
        let mut replaced = Vec::new();
        for single in singles.iter_mut().filter(|single| !single.warned) {
            let now = fs::metadata(&single.path).map(|file| inode(&file));
            if now.is_ok_and(|now| now != single.inode) && !self.in_directory(&single.path) {
                single.warned = true;
                replaced.push(single.path.clone());
            }
        }
        replaced
    }

    /// Allows reading a file and its directories.
    ///
    /// Directories that other programs share stay closed. Those of symlinks are included.
    fn read(&mut self, path: &Path) {
        let (dirs, target) = follow(path);
        let own = |dir: &&Path| !is_shared(dir);
        let dirs = dirs.iter().map(PathBuf::as_path).chain(target.parent());
        for dir in dirs.filter(own) {
            self.grant(dir, PathAccess::Read);
            // The directory itself may be replaced.
            if let Some(above) = dir.parent().filter(own) {
                self.grant(above, PathAccess::Read);
            }
        }
        self.single(path, &target);
    }

    /// Allows reading a system file in place.
    ///
    /// The directory of a symlink target is allowed too.
    fn read_target(&mut self, path: &Path) {
        let (links, target) = follow(path);
        let dir = target.parent().filter(|dir| !is_shared(dir));
        if let Some(dir) = dir.filter(|_| !links.is_empty()) {
            self.grant(dir, PathAccess::Read);
        }
        self.single(path, &target);
    }

    /// Allows writing below a directory, and creates it.
    fn write(&mut self, dir: &Path) {
        // The component that writes there reports the error.
        let _ = DirBuilder::new().recursive(true).mode(0o700).create(dir);
        self.grant(dir, PathAccess::Write);
    }

    fn single(&mut self, path: &Path, target: &Path) {
        let Ok(file) = fs::metadata(target) else {
            return;
        };
        self.grant(target, PathAccess::Read);
        if !file.is_dir() && !self.in_directory(path) {
            let singles = self.singles.get_mut();
            singles
                .unwrap_or_else(PoisonError::into_inner)
                .push(SingleFile {
                    path: path.to_owned(),
                    inode: inode(&file),
                    warned: false,
                });
        }
    }

    fn grant(&mut self, path: &Path, access: PathAccess) {
        // A missing path needs no rule.
        let Ok(path) = path.canonicalize() else {
            return;
        };
        let Ok(file) = fs::metadata(&path) else {
            return;
        };
        let grant = PathGrant { path, access };
        if !self.grants.contains(&grant) {
            self.grants.push(grant);
            self.inodes.push(inode(&file));
        }
    }

    /// Returns whether the sandbox allows reading a file.
    fn reads(&self, path: &Path) -> bool {
        if self.in_directory(path) {
            return true;
        }
        let target = follow(path).1;
        let Ok(now) = fs::metadata(&target) else {
            // The reader of a missing file reports it.
            return true;
        };
        let singles = self.singles.lock().unwrap_or_else(PoisonError::into_inner);
        singles.iter().any(|single| single.inode == inode(&now))
    }

    /// Returns whether a path is below an allowed directory.
    fn in_directory(&self, path: &Path) -> bool {
        let target = follow(path).1;
        let mut grants = self.grants.iter().zip(&self.inodes);
        grants.any(|(grant, known)| {
            let reads = matches!(grant.access, PathAccess::Read | PathAccess::Write);
            let is_unchanged = || {
                let now = fs::metadata(&grant.path);
                now.is_ok_and(|now| now.is_dir() && inode(&now) == *known)
            };
            reads && target.starts_with(&grant.path) && is_unchanged()
        })
    }
}

fn inode(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

fn files(config_files: &[PathBuf]) -> impl Iterator<Item = SandboxPath> + '_ {
    config_files.iter().map(|path| SandboxPath {
        key: "--config".to_owned(),
        usage: PathUse::Read,
        path: path.clone(),
    })
}

/// Returns every path of the configuration.
fn configured(effective: &EffectiveConfig) -> Vec<SandboxPath> {
    let mut all: Vec<_> = in_table(Config::TABLE, effective.transport.settings())
        .into_iter()
        .chain(in_table(Gateway::TABLE, effective.gateway.settings()))
        .collect();
    for table in &effective.listeners {
        let name = format!("{}.{}", ListenerSettings::TABLE, table.name);
        all.extend(in_table(&name, table.loaded.settings()));
    }
    all.extend(admin_socket(effective));
    #[cfg(feature = "arti")]
    all.extend(of_tor(effective));
    all
}

fn in_table<S: Settings>(table: &str, settings: &S) -> Vec<SandboxPath> {
    let named = named_paths(settings).into_iter();
    let path = |named: NamedPath| SandboxPath {
        key: format!("{table}.{}", named.key.path),
        usage: named.usage,
        path: named.path,
    };
    named.map(path).collect()
}

/// Returns the socket path of the admin endpoint, if it has one.
fn admin_socket(effective: &EffectiveConfig) -> Option<SandboxPath> {
    let entries = effective.gateway.effective().into_iter();
    let mut addrs = entries.filter(|entry| entry.key.path == "admin_addr");
    let addr = addrs.next()?.value;
    let path = addr.strip_prefix("unix:")?;
    Some(SandboxPath {
        key: "gateway.admin_addr".to_owned(),
        usage: PathUse::Socket,
        path: path.into(),
    })
}

/// Returns the directories of the Tor client, if one is used.
#[cfg(feature = "arti")]
fn of_tor(effective: &EffectiveConfig) -> Vec<SandboxPath> {
    let plans = effective.plans();
    let Some(plan) = plans.iter().find(|plan| plan.uses_tor()) else {
        return Vec::new();
    };
    let config = &plan.config;
    let dirs = config.arti.written_dirs(config.limits.amnesia());
    let configured = |path| SandboxPath {
        key: plan.transport_key("arti"),
        usage: PathUse::Write,
        path,
    };
    dirs.into_iter().map(configured).collect()
}
