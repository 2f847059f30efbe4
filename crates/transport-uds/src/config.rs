//! The settings of Unix sockets: typed, in range by construction, and described as keys.

use std::path::{Path, PathBuf};

use transport_core::escape::escape;
use transport_core::schema::{parse_count, Key, Kind, PathUse, Raw, Reload, Section, ValueError};

use crate::path;

const PATH: &str = "uds.path";
const ALLOW_UIDS: &str = "uds.allow_uids";

/// What the kernel says where it knows no uid (`(uid_t) -1`, getsockopt `SO_PEERCRED`); it is
/// the uid of nobody, so it can be allowed to nobody.
pub(crate) const UNKNOWN_UID: u32 = u32::MAX;

/// Where to listen, and who may connect. By default there is no path, and nobody may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UdsConfig {
    path: Option<PathBuf>,
    /// In order, each once.
    allow_uids: Vec<u32>,
    chunk_bytes: usize,
}

impl Default for UdsConfig {
    fn default() -> Self {
        Self {
            path: None,
            allow_uids: Vec::new(),
            chunk_bytes: 64 << 10,
        }
    }
}

/// Reads of one field each.
impl UdsConfig {
    /// Where the socket is made; `None` to dial only, or where the socket is handed over.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The uids that may connect, in order, each once.
    #[must_use]
    pub fn allow_uids(&self) -> &[u32] {
        &self.allow_uids
    }

    /// Most bytes that the peer takes before the kernel reports it.
    #[must_use]
    pub const fn chunk_bytes(&self) -> usize {
        self.chunk_bytes
    }

    /// Whether a process of this uid may connect.
    #[must_use]
    pub fn allows(&self, uid: u32) -> bool {
        self.allow_uids.binary_search(&uid).is_ok()
    }
}

/// Setters: each refuses what is out of range and leaves the setting as it was.
///
/// # Errors
/// A sentence that says what is allowed.
#[allow(clippy::missing_errors_doc)]
impl UdsConfig {
    /// Where the socket is made: an absolute path of at most 107 bytes (unix(7)); empty is none.
    pub fn set_path(&mut self, path: impl Into<PathBuf>) -> Result<&mut Self, ValueError> {
        let path = path.into();
        if path.as_os_str().is_empty() {
            self.path = None;
        } else {
            path::check(&path)?;
            self.path = Some(path);
        }
        Ok(self)
    }

    /// The uids that may connect: 0 to 4294967294, in any order; one said twice counts once. A
    /// process of another user namespace whose uid has no number in ours shows as the overflow
    /// uid, 65534 as a rule (user_namespaces(7)): allow that one and all of these may connect.
    pub fn set_allow_uids(
        &mut self,
        uids: impl IntoIterator<Item = u32>,
    ) -> Result<&mut Self, ValueError> {
        let mut uids: Vec<u32> = uids.into_iter().collect();
        if uids.contains(&UNKNOWN_UID) {
            return Err(not_a_uid(&UNKNOWN_UID.to_string()));
        }
        uids.sort_unstable();
        uids.dedup();
        self.allow_uids = uids;
        Ok(self)
    }

    /// Most bytes that the peer takes before the kernel reports it. No key sets it: guarded
    /// constructors and the facade set it to `limits.chunk_bytes`. The send buffer follows from it.
    pub fn set_chunk_bytes(&mut self, bytes: usize) -> &mut Self {
        self.chunk_bytes = bytes;
        self
    }
}

/// What a listener needs.
impl UdsConfig {
    pub(crate) fn needs_path(&self) -> Result<&Path, (&'static str, ValueError)> {
        let none = || (PATH, ValueError::new("is required to listen"));
        self.path().ok_or_else(none)
    }

    pub(crate) fn needs_uids(&self) -> Result<(), (&'static str, ValueError)> {
        if !self.allow_uids.is_empty() {
            return Ok(());
        }
        let what = "listening needs the uids that may connect, each as `id -u` prints it: \
                    nobody may by default";
        Err((ALLOW_UIDS, ValueError::new(what)))
    }
}

fn not_a_uid(text: &str) -> ValueError {
    ValueError::new(format!(
        "{} is no uid: expected numbers from 0 to 4294967294, as `id -u` prints them",
        escape(text).quoted()
    ))
}

fn parse_uid(text: &str) -> Result<u32, ValueError> {
    let number = parse_count(text).ok().and_then(|n| u32::try_from(n).ok());
    number.ok_or_else(|| not_a_uid(text))
}

const KEYS: &[Key] = &[
    Key {
        path: PATH,
        kind: Kind::Path(PathUse::Socket),
        default: "",
        rule: "an absolute path of at most 107 bytes, in a directory of mode 0700 that is ours",
        reload: Reload::Restart,
        doc: "Where the socket is made, with mode 0600; it is removed at the end.",
    },
    Key {
        path: ALLOW_UIDS,
        kind: Kind::List,
        default: "",
        rule: "numbers from 0 to 4294967294; at least one to listen",
        reload: Reload::New,
        doc: "User ids whose processes may connect; others are refused as `uid_denied`.",
    },
];

impl Section for UdsConfig {
    fn keys() -> &'static [Key] {
        KEYS
    }

    fn set(&mut self, path: &str, value: &Raw) -> Result<(), ValueError> {
        match path {
            PATH => self.set_path(value.text()?)?,
            ALLOW_UIDS => {
                let uids: Result<Vec<u32>, _> =
                    value.list().iter().map(|item| parse_uid(item)).collect();
                self.set_allow_uids(uids?)?
            }
            _ => return Err(ValueError::new("no such key")),
        };
        Ok(())
    }

    fn get(&self, path: &str) -> Option<String> {
        Some(match path {
            PATH => self
                .path()
                .map_or(String::new(), |path| path.display().to_string()),
            ALLOW_UIDS => {
                let uids: Vec<String> = self.allow_uids.iter().map(u32::to_string).collect();
                uids.join(",")
            }
            _ => return None,
        })
    }

    fn check(&self) -> Vec<(&'static str, ValueError)> {
        match self.path {
            Some(_) => self.needs_uids().err().into_iter().collect(),
            None => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_what_the_struct_has_and_can_be_set() {
        let mut uds = UdsConfig::default();
        for key in KEYS {
            assert_eq!(uds.get(key.path).unwrap(), key.default, "{}", key.path);
            uds.set(key.path, &key.default.into()).unwrap();
        }
        assert_eq!(uds, UdsConfig::default());
    }

    #[test]
    fn a_refused_value_changes_nothing() {
        let mut uds = UdsConfig::default();
        uds.set_path("/run/ron/s").unwrap();
        uds.set_allow_uids([7]).unwrap();
        let before = uds.clone();
        for (path, value) in [
            ("uds.path", "ron.sock"),
            ("uds.path", "@ron"),
            ("uds.allow_uids", "alice"),
            ("uds.allow_uids", "1,-1"),
            ("uds.allow_uids", "4294967295"),
            ("uds.allow_uids", "4294967296"),
            ("uds.nothing", "1"),
        ] {
            assert!(uds.set(path, &value.into()).is_err(), "{path} = {value}");
        }
        assert_eq!(uds, before);
    }

    #[test]
    fn uids_are_read_as_text_or_list_and_kept_once() {
        let mut uds = UdsConfig::default();
        uds.set(ALLOW_UIDS, &"1001, 0,1001".into()).unwrap();
        assert_eq!(uds.allow_uids(), [0, 1001]);
        assert_eq!(uds.get(ALLOW_UIDS).unwrap(), "0,1001");
        let list = Raw::List(vec!["4294967294".into(), "5".into()]);
        uds.set(ALLOW_UIDS, &list).unwrap();
        assert_eq!(uds.allow_uids(), [5, 4_294_967_294]);
        assert!(uds.allows(5) && !uds.allows(0) && !uds.allows(UNKNOWN_UID));
        let wrong = Raw::List(vec!["5".into(), "bob".into()]);
        let told = uds.set(ALLOW_UIDS, &wrong).unwrap_err().to_string();
        assert!(told.contains("\"bob\"") && told.contains("id -u"), "{told}");
    }

    #[test]
    fn a_path_without_uids_is_blamed_on_the_uids() {
        let mut uds = UdsConfig::default();
        assert!(uds.check().is_empty());
        uds.set_path("/run/ron/s").unwrap();
        let (blamed, told) = uds.check().remove(0);
        assert_eq!(blamed, "uds.allow_uids");
        assert!(told.to_string().contains("id -u"), "{told}");
        uds.set_allow_uids([0]).unwrap();
        assert!(uds.check().is_empty());
        uds.set_path("").unwrap();
        assert_eq!(uds.path(), None);
    }
}
