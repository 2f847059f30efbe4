//! The socket's directory: private, owned by this user, locked at startup.

use std::io::ErrorKind;
use std::os::unix::fs::{chown, symlink};
use std::time::Duration;

use rustix::fs::{flock, FlockOperation};
use tokio::time::sleep;

use crate::other_user::{self, OTHER};
use crate::place::{config_at, refusal, Place};

#[tokio::test]
async fn directory_open_to_others_is_refused() {
    for mode in [0o755, 0o750, 0o701, 0o777, 0o1777, 0o710] {
        let place = Place::with_mode(mode);
        let error = place.refusal().await;
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        let text = format!(
            "directory {} is open to others (mode {mode:04o}): it must be 0700 and belong to this user",
            place.dir().display()
        );
        assert_eq!(error.to_string(), text);
        assert!(!place.path().exists());
    }
}

#[tokio::test]
async fn directory_of_another_user_is_refused() {
    if !other_user::can_be("a directory of another user is refused") {
        return;
    }
    let place = Place::new();
    chown(place.dir(), Some(OTHER), Some(OTHER)).unwrap();
    let error = place.refusal().await;
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    let text = error.to_string();
    assert!(text.contains("belongs to uid 1001"), "{text}");
    assert!(!place.path().exists());
}

#[tokio::test]
async fn symlink_to_private_directory_is_refused() {
    let place = Place::new();
    let real = place.dir().join("real");
    std::fs::create_dir(&real).unwrap();
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(&real, private).unwrap();
    let link = place.dir().join("link");
    symlink(&real, &link).unwrap();
    // The kernel follows a symlink before a dot.
    for path in [link.join("s"), link.join("./s")] {
        let error = refusal(&config_at(&path)).await;
        let text = error.to_string();
        assert!(text.contains("link is a symlink"), "{text}");
    }
    assert_eq!(real.read_dir().unwrap().count(), 0);
}

#[tokio::test]
async fn missing_directory_or_file_in_its_place() {
    let place = Place::new();
    let missing = place.dir().join("missing/s");
    let error = refusal(&config_at(&missing)).await;
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("missing cannot be opened"));
    std::fs::write(place.dir().join("file"), "").unwrap();
    let error = refusal(&config_at(&place.dir().join("file/s"))).await;
    assert!(error.to_string().contains("file is not a directory"));
}

/// A start waits for the lock up to a second.
///
/// It writes no file for the lock.
#[tokio::test]
async fn starts_in_one_directory_are_serialized() {
    let place = Place::new();
    let other = std::fs::File::open(place.dir()).unwrap();
    flock(&other, FlockOperation::LockExclusive).unwrap();
    let error = place.refusal().await;
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    assert!(error.to_string().contains("lock"), "{error}");
    assert_eq!(place.dir().read_dir().unwrap().count(), 0);

    let release = async {
        sleep(Duration::from_millis(50)).await;
        flock(&other, FlockOperation::Unlock).unwrap();
    };
    let (bound, ()) = tokio::join!(place.bind(), release);
    let _first = bound.unwrap();
    // The lock is released: another socket in the same directory is created at once.
    flock(&other, FlockOperation::NonBlockingLockExclusive).unwrap();
    flock(&other, FlockOperation::Unlock).unwrap();
    let beside = config_at(&place.dir().join("beside"));
    transport_uds::raw::UdsListener::bind(&beside)
        .await
        .unwrap();
}
