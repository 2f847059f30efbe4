//! The paths in settings, for a sandbox.
//!
//! They are found by the kind of their keys, so that the paths of new keys are among them.

use std::path::PathBuf;

use transport_core::schema::{Key, Kind, PathUse, Raw};

use super::Settings;

/// A path that a setting names.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NamedPath {
    /// The key that names it.
    pub key: &'static Key,
    /// The use of the path.
    pub usage: PathUse,
    /// The path, as configured.
    pub path: PathBuf,
}

/// Every path that these settings name, in the order of the keys.
///
/// ```
/// use ron_transport::config::{named_paths, Config};
///
/// let text = "[transport]\nbackend = 'uds'\nuds.path = '/run/app/sock'\nuds.allow_uids = '1000'";
/// let loaded = Config::loader().toml_str(text, "example.toml").load()?;
/// let paths = named_paths(loaded.settings());
/// assert_eq!(paths[0].key.path, "uds.path");
/// assert_eq!(paths[0].path.as_path(), std::path::Path::new("/run/app/sock"));
/// # Ok::<(), ron_transport::config::ConfigErrors>(())
/// ```
#[must_use]
pub fn named_paths<S: Settings>(settings: &S) -> Vec<NamedPath> {
    let mut found = Vec::new();
    for key in S::all_keys() {
        let value = || settings.value(key.path).unwrap_or_default();
        let (usage, paths) = match key.kind {
            Kind::Path(usage) => (usage, vec![value()]),
            Kind::Paths => (PathUse::Read, Raw::Text(value()).list()),
            _ => continue,
        };
        let paths = paths.into_iter().filter(|path| !path.is_empty());
        found.extend(paths.map(|path| NamedPath {
            key,
            usage,
            path: path.into(),
        }));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    /// A sandboxed process could not open the path of a text key.
    #[test]
    fn path_keys_have_the_kind_of_a_path() {
        let is_path = |key: &&Key| {
            let name = key.path.rsplit('.').next().unwrap_or_default();
            let ends = ["path", "paths", "dir", "dirs", "file", "files"];
            name.split('_')
                .next_back()
                .is_some_and(|end| ends.contains(&end))
        };
        for key in Config::keys().into_iter().filter(is_path) {
            let path = key.path;
            assert!(matches!(key.kind, Kind::Path(_) | Kind::Paths), "{path}");
        }
    }

    #[cfg(feature = "tls")]
    #[test]
    fn named_paths_include_private_ones() {
        let text = "[transport]\nbackend = 'tls'\nbind_addr = '127.0.0.1:1'\n\
                    tls.cert_path = '/a/cert'\ntls.key_path = 'b/key'";
        let loaded = Config::loader().toml_str(text, "a").load().unwrap();
        let paths = named_paths(loaded.settings());
        let found: Vec<_> = paths
            .iter()
            .map(|named| (named.key.path, named.path.to_str().unwrap()))
            .collect();
        let expected = [("tls.cert_path", "/a/cert"), ("tls.key_path", "b/key")];
        assert_eq!(found, expected);
    }
}
