//! The directory in memory. Needs `/dev/shm`.

use std::os::unix::fs::PermissionsExt;

use super::*;

/// Returns a parent directory per test, so that tests stay independent.
fn place() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap()
}

fn entries(place: &Path) -> usize {
    fs::read_dir(place).unwrap().count()
}

#[test]
fn directory_private_and_removed_on_drop() {
    let place = place();
    let dir = RamDir::create_at(place.path()).unwrap();
    let mode = fs::metadata(dir.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    fs::write(dir.path().join("state"), "secret").unwrap();
    drop(dir);
    assert_eq!(entries(place.path()), 0);
}

#[test]
fn only_stale_directory_removed() {
    let place = place();
    let locked = RamDir::create_at(place.path()).unwrap();
    let stale = place.path().join(format!("{PREFIX}stale"));
    fs::create_dir(&stale).unwrap();
    fs::write(stale.join("state"), "secret").unwrap();
    let foreign = place.path().join("something-else");
    fs::create_dir(&foreign).unwrap();
    let next = RamDir::create_at(place.path()).unwrap();
    assert!(!stale.exists() && foreign.exists());
    assert!(locked.path().exists() && next.path().exists());
}

#[test]
fn symlink_not_followed() {
    let (place, elsewhere) = (place(), place());
    fs::write(elsewhere.path().join("kept"), "").unwrap();
    let link = place.path().join(format!("{PREFIX}link"));
    std::os::unix::fs::symlink(elsewhere.path(), &link).unwrap();
    remove_stale(place.path());
    assert!(elsewhere.path().join("kept").exists());
}

#[test]
fn disk_and_relative_path_refused() {
    let proc = RamDir::create_in(["/proc".into(), "relative".into()].into_iter());
    let error = proc.unwrap_err();
    assert_eq!(error.kind(), "config");
    let text = error.to_string();
    assert!(text.contains("/proc: not in memory"), "{text}");
    assert!(text.contains("relative: not an absolute path"), "{text}");
}
