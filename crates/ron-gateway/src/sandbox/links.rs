//! The directories that a path leads through.
//!
//! With these allowed, the file may be replaced by a rename, and its symlinks may change.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// Number of symlinks to follow: the limit of the kernel.
const MAX_LINKS: usize = 40;

/// Follows a path through its symlinks.
///
/// Returns the directory of each link and the final path. No part of the path need exist.
pub(super) fn follow(path: &Path) -> (Vec<PathBuf>, PathBuf) {
    let mut dirs = Vec::new();
    let mut rest: VecDeque<OsString> = parts(&absolute(path)).collect();
    let mut at = PathBuf::from("/");
    while let Some(part) = rest.pop_front() {
        if part == ".." {
            at.pop();
            continue;
        }
        let next = at.join(&part);
        match std::fs::read_link(&next) {
            Ok(target) if dirs.len() < MAX_LINKS => {
                dirs.push(at.clone());
                if target.is_absolute() {
                    at = PathBuf::from("/");
                }
                for part in parts(&target).collect::<Vec<_>>().into_iter().rev() {
                    rest.push_front(part);
                }
            }
            _ => at = next,
        }
    }
    (dirs, at)
}

fn absolute(path: &Path) -> PathBuf {
    std::env::current_dir().map_or_else(|_| path.to_owned(), |dir| dir.join(path))
}

fn parts(path: &Path) -> impl Iterator<Item = OsString> + '_ {
    path.components().filter_map(|part| match part {
        Component::Normal(part) => Some(part.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::CurDir | Component::RootDir | Component::Prefix(_) => None,
    })
}

/// Returns whether a directory holds files of many programs.
///
/// Such a directory is not allowed as a whole for one file in it.
pub(super) fn is_shared(dir: &Path) -> bool {
    const OF_MANY: &[&str] = &["/etc/ssl", "/etc/pki", "/var/lib", "/usr/local/etc"];
    let depth = dir.components().count().saturating_sub(1);
    let below = |parent| depth <= 2 && dir.starts_with(parent);
    depth <= 1
        || below("/home")
        || below("/var")
        || below("/usr")
        || OF_MANY.iter().any(|shared| dir == Path::new(shared))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_of_kubernetes_lead_to_one_directory() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        fs::create_dir(root.join("..1")).unwrap();
        fs::write(root.join("..1/tls.crt"), "").unwrap();
        symlink("..1", root.join("..data")).unwrap();
        symlink("..data/tls.crt", root.join("tls.crt")).unwrap();
        let (dirs, file) = follow(&root.join("tls.crt"));
        assert_eq!(dirs, [root.clone(), root.clone()]);
        assert_eq!(file, root.join("..1/tls.crt"));
    }

    #[test]
    fn links_of_certbot_lead_to_the_archive() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        for sub in ["live/a", "archive/a"] {
            fs::create_dir_all(root.join(sub)).unwrap();
        }
        symlink("../../archive/a/key1.pem", root.join("live/a/key.pem")).unwrap();
        let (dirs, file) = follow(&root.join("live/a/key.pem"));
        assert_eq!(dirs, [root.join("live/a")]);
        assert_eq!(file, root.join("archive/a/key1.pem"));
    }

    #[test]
    fn link_to_itself_ends() {
        let dir = tempfile::tempdir().unwrap();
        symlink("loop", dir.path().join("loop")).unwrap();
        assert_eq!(follow(&dir.path().join("loop")).0.len(), MAX_LINKS);
    }

    #[test]
    fn shared_directories_are_recognized() {
        for (dir, shared) in [
            ("/", true),
            ("/etc", true),
            ("/tmp", true),
            ("/usr/share", true),
            ("/var/lib", true),
            ("/var/lib/ron", false),
            ("/etc/ssl", true),
            ("/etc/ron", false),
            ("/run/secrets", false),
        ] {
            assert_eq!(is_shared(Path::new(dir)), shared, "{dir}");
        }
    }
}
