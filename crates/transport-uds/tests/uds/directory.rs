//! The directory of the socket: real, private, ours, and used by one start at a time.

use std::io::ErrorKind;
use std::os::unix::fs::{chown, symlink};
use std::time::Duration;

use rustix::fs::{flock, FlockOperation};
use tokio::time::sleep;

use crate::other_user::{self, OTHER};
use crate::place::{config_at, refusal, Place};

#[tokio::test]
async fn a_directory_that_others_can_enter_is_refused() {
    for mode in [0o755, 0o750, 0o701, 0o777, 0o1777, 0o710] {
        let place = Place::with_mode(mode);
        let error = place.refusal().await;
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        let told = format!(
            "directory {} is open to others (mode {mode:04o}): it must be 0700 and belong to this user",
            place.dir().display()
        );
        assert_eq!(error.to_string(), told);
        assert!(!place.path().exists());
    }
}

#[tokio::test]
async fn a_directory_of_another_user_is_refused() {
    if !other_user::can_be("a directory of another user is refused") {
        return;
    }
    let place = Place::new();
    chown(place.dir(), Some(OTHER), Some(OTHER)).unwrap();
    let error = place.refusal().await;
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    let told = error.to_string();
    assert!(told.contains("belongs to uid 1001"), "{told}");
    assert!(!place.path().exists());
}

#[tokio::test]
async fn a_symlink_to_a_private_directory_is_refused() {
    let place = Place::new();
    let real = place.dir().join("real");
    std::fs::create_dir(&real).unwrap();
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(&real, private).unwrap();
    let link = place.dir().join("link");
    symlink(&real, &link).unwrap();
    // The kernel follows a link that a dot comes after.
    for path in [link.join("s"), link.join("./s")] {
        let error = refusal(&config_at(&path)).await;
        let told = error.to_string();
        assert!(told.contains("link is a symlink"), "{told}");
    }
    assert_eq!(real.read_dir().unwrap().count(), 0);
}

#[tokio::test]
async fn a_missing_directory_and_a_file_in_its_place_are_told() {
    let place = Place::new();
    let missing = place.dir().join("missing/s");
    let error = refusal(&config_at(&missing)).await;
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("missing cannot be opened"));
    std::fs::write(place.dir().join("file"), "").unwrap();
    let error = refusal(&config_at(&place.dir().join("file/s"))).await;
    assert!(error.to_string().contains("file is no directory"));
}

/// The lock is waited for, not forever, and nothing is written for it.
#[tokio::test]
async fn starts_in_one_directory_take_turns() {
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
    // The lock is not kept: another socket of the same directory is made at once.
    flock(&other, FlockOperation::NonBlockingLockExclusive).unwrap();
    flock(&other, FlockOperation::Unlock).unwrap();
    let beside = config_at(&place.dir().join("beside"));
    transport_uds::raw::UdsListener::bind(&beside)
        .await
        .unwrap();
}
