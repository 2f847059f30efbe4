//! The paths that a configuration makes the process read and write.

#[cfg(test)]
mod tests;

use std::fs::{self, DirBuilder, Metadata};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ron_transport::config::{named_paths, Settings};
use ron_transport::core::schema::PathUse;

use super::links::{follow, is_shared};
use super::system_paths;
use crate::startup::Effective;

/// The access that is allowed below a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Reading.
    Read,
    /// Reading and writing one file.
    ReadWriteFile,
    /// Making and removing sockets.
    Sockets,
    /// Everything but running programs and making devices.
    Write,
}

/// A path, and what is allowed below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) path: PathBuf,
    pub(super) access: Access,
}

/// A file that is allowed without its directory: device and inode tell it from another.
#[derive(Debug)]
struct Single {
    path: PathBuf,
    inode: (u64, u64),
    warned: bool,
}

/// The paths that the process may reach.
#[derive(Debug, Default)]
pub(super) struct Allowed {
    grants: Vec<Grant>,
    /// Device and inode of each grant's path: another directory at its place stays closed.
    inodes: Vec<(u64, u64)>,
    singles: Mutex<Vec<Single>>,
    /// Keys of files that cannot be read once another file is renamed over them.
    fixed: Vec<String>,
}

/// A path of a configuration with the key that names it.
struct Wanted {
    key: String,
    usage: PathUse,
    path: PathBuf,
}

impl Allowed {
    /// Looks at every path that the configuration names. Makes the directories that are written,
    /// where they are missing.
    pub(super) fn new(effective: &Effective, config_files: &[PathBuf]) -> Self {
        let mut allowed = Self::default();
        for path in system_paths::READ {
            allowed.grant(Path::new(path), Access::Read);
        }
        for path in system_paths::READ_FILES {
            allowed.read_target(Path::new(path));
        }
        for path in system_paths::WRITE_FILES {
            allowed.grant(Path::new(path), Access::ReadWriteFile);
        }
        for path in system_paths::trust_store() {
            allowed.read(&path);
        }
        if !rustix::process::geteuid().is_root() {
            // The system replaces files there by renames, and their modes protect the secret ones.
            allowed.grant(Path::new("/etc"), Access::Read);
        }
        for wanted in files(config_files).chain(wanted(effective)) {
            match wanted.usage {
                PathUse::Read => {
                    allowed.read(&wanted.path);
                    if !allowed.in_directory(&wanted.path) {
                        allowed.fixed.push(wanted.key);
                    }
                }
                PathUse::Socket => {
                    if let Some(dir) = follow(&wanted.path).1.parent() {
                        allowed.grant(dir, Access::Sockets);
                    }
                }
                PathUse::Write => allowed.write(&wanted.path),
            }
        }
        allowed
    }

    /// Returns the paths to allow.
    pub(super) fn grants(&self) -> &[Grant] {
        &self.grants
    }

    /// Returns the keys of files that cannot be read once another file is renamed over them.
    pub(super) fn fixed(&self) -> &[String] {
        &self.fixed
    }

    /// Checks that the configuration files are among what is allowed.
    pub(super) fn check_files(&self, config_files: &[PathBuf]) -> Result<(), String> {
        self.check_all(files(config_files))
    }

    /// Checks that the files that a configuration names are among what is allowed.
    pub(super) fn check(&self, effective: &Effective) -> Result<(), String> {
        self.check_all(wanted(effective))
    }

    fn check_all(&self, wanted: impl IntoIterator<Item = Wanted>) -> Result<(), String> {
        let wanted = wanted.into_iter();
        let reads = wanted.filter(|wanted| wanted.usage == PathUse::Read);
        let closed: Vec<_> = reads
            .filter(|wanted| !self.reads(&wanted.path))
            .map(|wanted| wanted.key)
            .collect();
        if closed.is_empty() {
            return Ok(());
        }
        Err(format!(
            "the sandbox forbids the file of {}: it allows the directories that were configured at \
             the start; restart the gateway to use this file",
            closed.join(", ")
        ))
    }

    /// Single files that are another file now, each returned once.
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

    /// Allows reading a file, and the directories that it and the symlinks to it are in, unless
    /// they are shared with other programs.
    fn read(&mut self, path: &Path) {
        let (dirs, target) = follow(path);
        let own = |dir: &&Path| !is_shared(dir);
        let dirs = dirs.iter().map(PathBuf::as_path).chain(target.parent());
        for dir in dirs.filter(own) {
            self.grant(dir, Access::Read);
            // For a directory that is replaced as a whole.
            if let Some(above) = dir.parent().filter(own) {
                self.grant(above, Access::Read);
            }
        }
        self.single(path, &target);
    }

    /// Allows reading a file of the system where it is, and the directory that a symlink there
    /// points into.
    fn read_target(&mut self, path: &Path) {
        let (links, target) = follow(path);
        let dir = target.parent().filter(|dir| !is_shared(dir));
        if let Some(dir) = dir.filter(|_| !links.is_empty()) {
            self.grant(dir, Access::Read);
        }
        self.single(path, &target);
    }

    /// Allows writing below a directory, and makes it where it is missing.
    fn write(&mut self, dir: &Path) {
        // The component that writes there reports the error.
        let _ = DirBuilder::new().recursive(true).mode(0o700).create(dir);
        self.grant(dir, Access::Write);
    }

    fn single(&mut self, path: &Path, target: &Path) {
        let Ok(file) = fs::metadata(target) else {
            return;
        };
        self.grant(target, Access::Read);
        if !file.is_dir() && !self.in_directory(path) {
            let singles = self.singles.get_mut();
            singles
                .unwrap_or_else(PoisonError::into_inner)
                .push(Single {
                    path: path.to_owned(),
                    inode: inode(&file),
                    warned: false,
                });
        }
    }

    fn grant(&mut self, path: &Path, access: Access) {
        // Where it does not exist there is nothing to allow.
        let Ok(path) = path.canonicalize() else {
            return;
        };
        let Ok(file) = fs::metadata(&path) else {
            return;
        };
        let grant = Grant { path, access };
        if !self.grants.contains(&grant) {
            self.grants.push(grant);
            self.inodes.push(inode(&file));
        }
    }

    /// Whether a file can be read, as far as the sandbox is concerned.
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

    /// Whether it is below a directory that is allowed.
    fn in_directory(&self, path: &Path) -> bool {
        let target = follow(path).1;
        let mut grants = self.grants.iter().zip(&self.inodes);
        grants.any(|(grant, known)| {
            let reads = matches!(grant.access, Access::Read | Access::Write);
            let is_there = || {
                let now = fs::metadata(&grant.path);
                now.is_ok_and(|now| now.is_dir() && inode(&now) == *known)
            };
            reads && target.starts_with(&grant.path) && is_there()
        })
    }
}

fn inode(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

fn files(config_files: &[PathBuf]) -> impl Iterator<Item = Wanted> + '_ {
    config_files.iter().map(|path| Wanted {
        key: "--config".to_owned(),
        usage: PathUse::Read,
        path: path.clone(),
    })
}

/// Every path that the configuration names.
fn wanted(effective: &Effective) -> Vec<Wanted> {
    let mut all: Vec<_> = of_table(effective.transport.settings())
        .chain(of_table(effective.gateway.settings()))
        .collect();
    all.extend(admin_socket(effective));
    #[cfg(feature = "arti")]
    all.extend(of_tor(effective));
    all
}

fn of_table<S: Settings>(settings: &S) -> impl Iterator<Item = Wanted> {
    named_paths(settings).into_iter().map(|named| Wanted {
        key: format!("{}.{}", S::TABLE, named.key.path),
        usage: named.usage,
        path: named.path,
    })
}

/// An address that is a path: `unix:/run/ron/admin.sock`.
fn admin_socket(effective: &Effective) -> Option<Wanted> {
    let entries = effective.gateway.effective().into_iter();
    let mut addrs = entries.filter(|entry| entry.key.path == "admin_addr");
    let addr = addrs.next()?.value;
    let path = addr.strip_prefix("unix:")?;
    Some(Wanted {
        key: "gateway.admin_addr".to_owned(),
        usage: PathUse::Socket,
        path: path.into(),
    })
}

/// The directories of a Tor client, where there is one.
#[cfg(feature = "arti")]
fn of_tor(effective: &Effective) -> Vec<Wanted> {
    use ron_transport::{Backend, Scheme};

    let config = effective.transport.settings();
    let to = effective.gateway.settings().forward_to.as_ref();
    let dials = to.is_some_and(|to| matches!(to.scheme, Scheme::Tor | Scheme::TlsOverTor));
    if config.general.backend() != Backend::Arti && !dials {
        return Vec::new();
    }
    let dirs = config.arti.written_dirs(config.limits.amnesia());
    let wanted = |path| Wanted {
        key: "transport.arti".to_owned(),
        usage: PathUse::Write,
        path,
    };
    dirs.into_iter().map(wanted).collect()
}
