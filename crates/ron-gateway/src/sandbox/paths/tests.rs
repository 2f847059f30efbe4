use std::os::unix::fs::PermissionsExt;

use super::*;

/// Returns a file in a shared directory.
fn single() -> (tempfile::NamedTempFile, AllowedPaths) {
    let file = tempfile::NamedTempFile::new_in("/tmp").unwrap();
    let mut allowed = AllowedPaths::default();
    allowed.read(file.path());
    (file, allowed)
}

#[test]
fn file_in_shared_directory_allowed_alone() {
    let (file, allowed) = single();
    let path = file.path().canonicalize().unwrap();
    let access = PathAccess::Read;
    assert_eq!(allowed.grants(), [PathGrant { path, access }]);
    assert!(allowed.reads(file.path()));
    let other = tempfile::NamedTempFile::new_in("/tmp").unwrap();
    assert!(!allowed.reads(other.path()));
}

#[test]
fn replaced_file_is_reported_once() {
    let (file, allowed) = single();
    assert_eq!(allowed.newly_replaced(), Vec::<PathBuf>::new());
    let other = tempfile::NamedTempFile::new_in("/tmp").unwrap();
    fs::rename(other.path(), file.path()).unwrap();
    assert!(!allowed.reads(file.path()));
    assert_eq!(allowed.newly_replaced(), [file.path()]);
    assert_eq!(allowed.newly_replaced(), Vec::<PathBuf>::new());
}

#[test]
fn own_directory_is_allowed_whole() {
    let dir = tempfile::tempdir().unwrap();
    let mut allowed = AllowedPaths::default();
    allowed.read(&dir.path().join("cert.pem"));
    let later = dir.path().join("later.pem");
    fs::write(&later, "").unwrap();
    assert!(allowed.reads(&later));
    assert!(!allowed.reads(Path::new("/etc/passwd")));
}

#[test]
fn written_directory_is_created_private() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("a/b");
    let mut allowed = AllowedPaths::default();
    allowed.write(&state);
    let mode = fs::metadata(&state).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    assert_eq!(allowed.grants()[0].access, PathAccess::Write);
}
