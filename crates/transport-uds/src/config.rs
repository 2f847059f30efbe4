//! The settings of Unix sockets.

use std::path::{Path, PathBuf};

use transport_core::escape::escape;
use transport_core::schema::{
    format_path, parse_count, Key, Kind, PathUse, Reload, SectionTable, Setting, ValueError,
};

use crate::path;

const PATH: &str = "uds.path";
const ALLOW_UIDS: &str = "uds.allow_uids";

/// The uid that the kernel reports for an unknown peer: `(uid_t) -1` (`SO_PEERCRED`).
///
/// No process has it, so that it cannot be allowed.
pub(crate) const UNKNOWN_UID: u32 = u32::MAX;

/// The path of a Unix socket and the uids that may connect.
///
/// By default it has no path, and no process may connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UdsConfig {
    path: Option<PathBuf>,
    /// Sorted, without duplicates.
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

impl SectionTable for UdsConfig {
    const SETTINGS: &'static [Setting<Self>] = &[
        Key::new(PATH, Kind::Path(PathUse::Socket), Reload::Restart)
            .allows(
                "an absolute path of at most 107 bytes, in a directory of mode 0700 that \
                 belongs to this user",
            )
            .doc("Path of the socket, created with mode 0600 and removed at the end.")
            .get(|c: &Self| format_path(c.path()))
            .set(|c, value| c.set_path(value.text()?).map(drop)),
        Key::new(ALLOW_UIDS, Kind::List, Reload::New)
            .allows("numbers from 0 to 4294967294; at least one to listen")
            .doc("User ids whose processes may connect; others are refused as `uid_denied`.")
            .get(|c: &Self| {
                let uids: Vec<String> = c.allow_uids.iter().map(u32::to_string).collect();
                uids.join(",")
            })
            .set(|c, value| {
                let uids: Result<Vec<u32>, _> =
                    value.list().iter().map(|item| parse_uid(item)).collect();
                c.set_allow_uids(uids?).map(drop)
            }),
    ];

    fn conflicts(&self) -> Vec<(&'static str, ValueError)> {
        match self.path {
            Some(_) => self.needs_uids().err().into_iter().collect(),
            None => Vec::new(),
        }
    }
}

impl UdsConfig {
    /// Returns the path of the socket.
    ///
    /// `None` when the process only dials, or when a service manager passes the socket.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Returns the uids that may connect, sorted, without duplicates.
    #[must_use]
    pub fn allow_uids(&self) -> &[u32] {
        &self.allow_uids
    }

    /// Returns the largest step of the reported read progress, in bytes.
    #[must_use]
    pub const fn chunk_bytes(&self) -> usize {
        self.chunk_bytes
    }

    /// Returns whether a process of this uid may connect.
    #[must_use]
    pub fn allows(&self, uid: u32) -> bool {
        self.allow_uids.binary_search(&uid).is_ok()
    }

    /// Sets the path: absolute, at most 107 bytes (unix(7)); empty is none.
    ///
    /// # Errors
    /// When the path is relative or too long. The setting is then unchanged.
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

    /// Sets the uids that may connect: 0 to 4294967294, in any order.
    ///
    /// A process of another user namespace whose uid has no number in ours has the overflow uid,
    /// usually 65534 (user_namespaces(7)). If that uid is allowed, every such process may connect.
    ///
    /// # Errors
    /// When a uid is 4294967295. The setting is then unchanged.
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

    /// Sets the largest step of the reported read progress, in bytes.
    ///
    /// The size of the send buffer follows from it. No key sets it: guarded constructors and the
    /// facade set it to `limits.chunk_bytes`.
    pub fn set_chunk_bytes(&mut self, bytes: usize) -> &mut Self {
        self.chunk_bytes = bytes;
        self
    }

    /// Returns the path that a listener needs, or the conflict.
    pub(crate) fn needs_path(&self) -> Result<&Path, (&'static str, ValueError)> {
        let missing = || (PATH, ValueError::new("is required to listen"));
        self.path().ok_or_else(missing)
    }

    /// Returns a conflict when a listener could accept no process.
    pub(crate) fn needs_uids(&self) -> Result<(), (&'static str, ValueError)> {
        if !self.allow_uids.is_empty() {
            return Ok(());
        }
        let text =
            "listening needs the uids that may connect, each as `id -u` prints it; by default no \
                    process may";
        Err((ALLOW_UIDS, ValueError::new(text)))
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

#[cfg(test)]
mod tests {
    use transport_core::schema::{Raw, Section};

    use super::*;

    #[test]
    fn every_default_can_be_set() {
        let mut uds = UdsConfig::default();
        for key in uds.keys() {
            assert_eq!(uds.get(key.path).unwrap(), "", "{}", key.path);
            uds.set(key.path, &"".into()).unwrap();
        }
        assert_eq!(uds, UdsConfig::default());
    }

    #[test]
    fn refused_value_changes_nothing() {
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
    fn uids_are_sorted_without_duplicates() {
        let mut uds = UdsConfig::default();
        uds.set(ALLOW_UIDS, &"1001, 0,1001".into()).unwrap();
        assert_eq!(uds.allow_uids(), [0, 1001]);
        assert_eq!(uds.get(ALLOW_UIDS).unwrap(), "0,1001");
        let list = Raw::List(vec!["4294967294".into(), "5".into()]);
        uds.set(ALLOW_UIDS, &list).unwrap();
        assert_eq!(uds.allow_uids(), [5, 4_294_967_294]);
        assert!(uds.allows(5) && !uds.allows(0) && !uds.allows(UNKNOWN_UID));
        let wrong = Raw::List(vec!["5".into(), "bob".into()]);
        let text = uds.set(ALLOW_UIDS, &wrong).unwrap_err().to_string();
        assert!(text.contains("\"bob\"") && text.contains("id -u"), "{text}");
    }

    #[test]
    fn path_without_uids_conflicts() {
        let mut uds = UdsConfig::default();
        assert!(uds.check().is_empty());
        uds.set_path("/run/ron/s").unwrap();
        let (path, text) = uds.check().remove(0);
        assert_eq!(path, "uds.allow_uids");
        assert!(text.to_string().contains("id -u"), "{text}");
        uds.set_allow_uids([0]).unwrap();
        assert!(uds.check().is_empty());
        uds.set_path("").unwrap();
        assert_eq!(uds.path(), None);
    }
}
