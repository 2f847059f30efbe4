//! Checks that no other user can read a private key file.
//!
//! The mode decides, with two exceptions. If the file has an access control list, the group bits of
//! its mode are the mask of the list (acl(5)), not the permissions of the group: systemd's
//! `LoadCredential=` creates owner root, mode 0440, one entry for the service's user. A file of root may
//! be readable by a group of this process: a Kubernetes Secret has owner root, mode 0440 and the
//! pod's `fsGroup`.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;

use rustix::fs::fgetxattr;
use rustix::process::{getegid, geteuid, getgroups};

/// Permission bits of users other than the owner.
const OTHERS: u32 = 0o077;
/// Permission bits of all users.
///
/// With an access control list only these count.
const ALL_USERS: u32 = 0o007;
/// Bits that the group may not have on a file of root.
const BEYOND_GROUP_READ: u32 = 0o037;
/// The attribute that holds the list: `struct posix_acl_xattr_header` and its entries, little-endian.
const ACL: &str = "system.posix_acl_access";
const ACL_VERSION: u32 = 2;
const HEADER_BYTES: usize = 4;
const ENTRY_BYTES: usize = 8;
/// Highest number of entries of a private list.
const MAX_ENTRIES: usize = 16;
const USER_OBJ: u16 = 0x01;
const USER: u16 = 0x02;
const MASK: u16 = 0x10;

/// Returns a key file's mode if other users can read it.
///
/// A file of root that a group of this process can read is private, unless the process runs as root.
///
/// # Errors
/// When the file's metadata cannot be read.
pub fn open_to_others(file: &File) -> io::Result<Option<u32>> {
    let metadata = file.metadata()?;
    let (mode, owner) = (metadata.mode() & 0o7777, metadata.uid());
    let user = geteuid().as_raw();
    let is_private = mode & OTHERS == 0
        || mode & ALL_USERS == 0 && has_private_acl(file, user)
        || is_lent_by_root(mode, owner, user) && is_in_group(metadata.gid())?;
    Ok((!is_private).then_some(mode))
}

/// Returns whether root owns the file and lends it to a group.
const fn is_lent_by_root(mode: u32, owner: u32, user: u32) -> bool {
    owner == 0 && user != 0 && mode & BEYOND_GROUP_READ == 0
}

fn is_in_group(group: u32) -> io::Result<bool> {
    let mut ours = getgroups()?.into_iter().chain([getegid()]);
    Ok(ours.any(|ours| ours.as_raw() == group))
}

fn has_private_acl(file: &File, user: u32) -> bool {
    let mut list = [0; HEADER_BYTES + MAX_ENTRIES * ENTRY_BYTES];
    // Without a list, or with a longer one, the mode decides.
    fgetxattr(file, ACL, &mut list[..]).is_ok_and(|len| is_private(&list[..len], user))
}

/// Returns whether a list admits only the owner, root and one user.
fn is_private(list: &[u8], user: u32) -> bool {
    let Some((header, entries)) = list.split_at_checked(HEADER_BYTES) else {
        return false;
    };
    let is_whole = header == ACL_VERSION.to_le_bytes() && entries.len() % ENTRY_BYTES == 0;
    let is_ours = |entry: &[u8]| {
        let &[tag_0, tag_1, perm_0, perm_1, id_0, id_1, id_2, id_3] = entry else {
            return false;
        };
        let tag = u16::from_le_bytes([tag_0, tag_1]);
        let id = u32::from_le_bytes([id_0, id_1, id_2, id_3]);
        let may_nothing = [perm_0, perm_1] == [0, 0];
        let is_us = tag == USER && (id == user || id == 0);
        may_nothing || is_us || matches!(tag, USER_OBJ | MASK)
    };
    is_whole && !entries.is_empty() && entries.chunks(ENTRY_BYTES).all(is_ours)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use rustix::fs::{fsetxattr, XattrFlags};

    use super::*;

    const GROUP_OBJ: u16 = 0x04;
    const GROUP: u16 = 0x08;
    const OTHER: u16 = 0x20;
    const READ: u16 = 4;
    const US: u32 = 1000;

    fn list(named: &[(u16, u16, u32)]) -> Vec<u8> {
        let ends = [(USER_OBJ, READ, u32::MAX)];
        let rest = [(MASK, READ, u32::MAX), (OTHER, 0, u32::MAX)];
        let entries = ends.iter().chain(named).chain(&rest);
        let entry = |&(tag, perm, id): &(u16, u16, u32)| {
            let head = [tag.to_le_bytes(), perm.to_le_bytes()].concat();
            [&head[..], &id.to_le_bytes()].concat()
        };
        let entries: Vec<u8> = entries.flat_map(entry).collect();
        [&ACL_VERSION.to_le_bytes()[..], &entries].concat()
    }

    /// As systemd writes it for the user of a service.
    fn credential(user: u32) -> Vec<u8> {
        list(&[(USER, READ, user), (GROUP_OBJ, 0, u32::MAX)])
    }

    #[test]
    fn list_for_this_user_is_private() {
        assert!(is_private(&credential(US), US));
        assert!(is_private(&credential(0), US), "root reads it anyway");
    }

    #[test]
    fn list_for_anybody_else_is_not_private() {
        let group = [(USER, READ, US), (GROUP_OBJ, READ, u32::MAX)];
        let named = [(USER, READ, US), (GROUP_OBJ, 0, u32::MAX), (GROUP, READ, 7)];
        for open in [credential(US + 1), list(&group), list(&named)] {
            assert!(!is_private(&open, US), "{open:?}");
        }
    }

    #[test]
    fn damaged_list_is_not_private() {
        let whole = credential(US);
        for len in 0..whole.len() {
            let cut = is_private(&whole[..len], US);
            let is_entry = len > HEADER_BYTES && (len - HEADER_BYTES) % ENTRY_BYTES == 0;
            assert!(!cut || is_entry, "{len}");
        }
        let mut other_version = whole;
        other_version[0] = 3;
        assert!(!is_private(&other_version, US));
    }

    #[test]
    fn mode_decides_without_a_list() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key.pem");
        fs::write(&path, "key").unwrap();
        for (mode, open) in [
            (0o400, None),
            (0o600, None),
            (0o440, Some(0o440)),
            (0o604, Some(0o604)),
        ] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let file = File::open(&path).unwrap();
            assert_eq!(open_to_others(&file).unwrap(), open);
        }
    }

    #[test]
    fn group_may_read_a_file_of_root_only() {
        for mode in [0o440, 0o640, 0o400] {
            assert!(is_lent_by_root(mode, 0, US), "{mode:o}");
            assert!(!is_lent_by_root(mode, US, US), "{mode:o}");
            assert!(!is_lent_by_root(mode, 0, 0), "{mode:o}");
        }
        for mode in [0o660, 0o450, 0o444, 0o644] {
            assert!(!is_lent_by_root(mode, 0, US), "{mode:o}");
        }
        assert!(is_in_group(getegid().as_raw()).unwrap());
        assert!(!is_in_group(u32::MAX - 1).unwrap());
    }

    #[test]
    fn credential_of_systemd_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key.pem");
        fs::write(&path, "key").unwrap();
        let us = geteuid().as_raw();
        for (user, open) in [(us, None), (us + 1, Some(0o440))] {
            fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
            let file = File::open(&path).unwrap();
            let list = credential(user);
            if fsetxattr(&file, ACL, &list, XattrFlags::empty()).is_err() {
                eprintln!("SKIPPED: the file system has no access control lists");
                return;
            }
            assert_eq!(open_to_others(&file).unwrap(), open);
        }
    }
}
