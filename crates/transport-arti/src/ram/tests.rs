//! The life of a directory in memory. These need `/dev/shm`, which every Linux has.

use std::os::unix::fs::PermissionsExt;

use super::*;

/// A place of its own, so that tests do not clean up after each other.
fn place() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap()
}

fn entries(place: &Path) -> usize {
    fs::read_dir(place).unwrap().count()
}

#[test]
fn it_is_private_and_gone_afterwards() {
    let place = place();
    let dir = RamDir::create_at(place.path()).unwrap();
    let mode = fs::metadata(dir.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    fs::write(dir.path().join("state"), "secret").unwrap();
    drop(dir);
    assert_eq!(entries(place.path()), 0);
}

#[test]
fn a_living_one_is_left_alone_and_a_dead_one_is_removed() {
    let place = place();
    let living = RamDir::create_at(place.path()).unwrap();
    let dead = place.path().join(format!("{PREFIX}dead"));
    fs::create_dir(&dead).unwrap();
    fs::write(dead.join("state"), "secret").unwrap();
    let foreign = place.path().join("something-else");
    fs::create_dir(&foreign).unwrap();
    let next = RamDir::create_at(place.path()).unwrap();
    assert!(!dead.exists() && foreign.exists());
    assert!(living.path().exists() && next.path().exists());
}

#[test]
fn a_link_is_not_followed() {
    let (place, elsewhere) = (place(), place());
    fs::write(elsewhere.path().join("kept"), "").unwrap();
    let link = place.path().join(format!("{PREFIX}link"));
    std::os::unix::fs::symlink(elsewhere.path(), &link).unwrap();
    remove_stale(place.path());
    assert!(elsewhere.path().join("kept").exists());
}

#[test]
fn what_is_not_memory_is_refused_with_the_reason() {
    let proc = RamDir::create_in(["/proc".into(), "relative".into()].into_iter());
    let error = proc.unwrap_err();
    assert_eq!(error.kind(), "config");
    let text = error.to_string();
    assert!(text.contains("/proc: it is not in memory"), "{text}");
    assert!(text.contains("relative: it is no absolute path"), "{text}");
}
