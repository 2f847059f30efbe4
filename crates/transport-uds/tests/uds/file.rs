//! The socket's file: its mode, collisions at its path, its removal.

use std::io::ErrorKind;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{symlink, MetadataExt};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;

use rustix::fs::inotify::{self, ReadFlags, WatchFlags};
use socket2::{Domain, SockAddr, Socket, Type};
use transport_core::{Dialer, Listener, Pending, Target, TransportError};
use transport_uds::raw::{UdsDialer, UdsListener};

use crate::child;
use crate::place::{config_at, leave_stale_socket, Place};

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().mode() & 0o7777
}

/// Returns every event of the watched directory.
fn events(watch: OwnedFd) -> Vec<ReadFlags> {
    let mut buf = [MaybeUninit::uninit(); 4096];
    let mut reader = inotify::Reader::new(watch, &mut buf);
    let mut seen = Vec::new();
    while let Ok(event) = reader.next() {
        seen.push(event.events());
    }
    seen
}

/// The mode is set at creation, and never changed.
///
/// So it is never wider.
#[test]
fn socket_is_created_0600_with_any_umask() {
    const NAME: &str = "file::socket_is_created_0600_with_any_umask";
    if let Some(path) = child::role() {
        let watch = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
        let dir = path.parent().unwrap();
        inotify::add_watch(&watch, dir, WatchFlags::CREATE | WatchFlags::ATTRIB).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let bound = runtime.block_on(UdsListener::bind(&config_at(&path)));
        match &bound {
            Ok(_) => println!("child: mode {:o}, {:?}", mode(&path), events(watch)),
            Err(error) => println!("child: {error}, there: {}", path.exists()),
        }
        // Exits without destructors, as a killed process.
        std::process::exit(0);
    }
    let only_created = format!("{:?}", [ReadFlags::CREATE]);
    let place = Place::new();
    for umask in ["0", "022", "077", "0"] {
        // Each child finds the stale socket of the one before.
        let printed = child::run(NAME, umask, place.path());
        assert!(
            printed.contains(&format!("child: mode 600, {only_created}")),
            "{printed}"
        );
        assert!(place.path().exists(), "the child left no socket");
    }
    let place = Place::new();
    let printed = child::run(NAME, "0277", place.path());
    assert!(
        printed.contains("mode 0400 instead of 0600") && printed.contains("there: false"),
        "{printed}"
    );
}

#[tokio::test]
async fn file_is_removed_with_listener() {
    let place = Place::new();
    for _ in 0..2 {
        let listener = place.bind().await.unwrap();
        assert_eq!(listener.local_path().unwrap(), place.path());
        assert_eq!(mode(place.path()), 0o600);
        drop(listener);
        assert_eq!(place.dir().read_dir().unwrap().count(), 0);
    }
}

#[tokio::test]
async fn file_is_removed_in_renamed_directory() {
    let place = Place::new();
    let (before, after) = (place.dir().join("a"), place.dir().join("b"));
    std::fs::create_dir(&before).unwrap();
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(&before, private).unwrap();
    let listener = UdsListener::bind(&config_at(&before.join("s"))).await;
    std::fs::rename(&before, &after).unwrap();
    assert!(after.join("s").exists());
    drop(listener.unwrap());
    assert!(!after.join("s").exists());
}

#[tokio::test]
async fn replacement_file_is_not_removed() {
    let place = Place::new();
    let listener = place.bind().await.unwrap();
    std::fs::remove_file(place.path()).unwrap();
    let other = UnixListener::bind(place.path()).unwrap();
    drop(listener);
    UnixStream::connect(place.path()).unwrap();
    drop(other);

    std::fs::remove_file(place.path()).unwrap();
    let listener = place.bind().await.unwrap();
    std::fs::remove_file(place.path()).unwrap();
    std::fs::write(place.path(), "mine").unwrap();
    drop(listener);
    assert_eq!(std::fs::read(place.path()).unwrap(), b"mine");
}

#[tokio::test]
async fn other_file_at_path_is_kept_and_refused() {
    let refused = |place: Place, what: &'static str| async move {
        let error = place.refusal().await;
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        assert!(error.to_string().contains(what), "{error}");
        place
    };
    let place = Place::new();
    std::fs::write(place.path(), "mine").unwrap();
    let place = refused(place, "there is a file").await;
    assert_eq!(std::fs::read(place.path()).unwrap(), b"mine");

    let place = Place::new();
    std::fs::create_dir(place.path()).unwrap();
    let place = refused(place, "there is a directory").await;
    assert!(place.path().is_dir());

    // Symlinks to a stale socket and to a missing file.
    let place = Place::new();
    let dead = place.dir().join("dead");
    leave_stale_socket(&dead);
    symlink(&dead, place.path()).unwrap();
    let place = refused(place, "there is a symlink").await;
    assert!(place.path().is_symlink() && dead.exists());

    let place = Place::new();
    symlink("nowhere", place.path()).unwrap();
    let place = refused(place, "there is a symlink").await;
    assert!(place.path().is_symlink());
}

#[tokio::test]
async fn stale_socket_is_replaced() {
    let place = Place::new();
    leave_stale_socket(place.path());
    let _listener = place.bind().await.unwrap();
    assert_eq!(mode(place.path()), 0o600);
    UnixStream::connect(place.path()).unwrap();
}

#[tokio::test]
async fn live_socket_is_refused_and_continues() {
    let place = Place::new();
    let mut first = place.bind().await.unwrap();
    let inode = place.path().metadata().unwrap().ino();
    let error = place.refusal().await;
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert!(error.to_string().contains("address in use"), "{error}");
    assert_eq!(place.path().metadata().unwrap().ino(), inode);

    // The first connection is the probe, which closed at once.
    drop(first.accept().await.unwrap());
    let target = Target::Unix(place.path().to_owned());
    UdsDialer::new().dial(&target).await.unwrap();
    first.accept().await.unwrap().establish().await.unwrap();
}

#[tokio::test]
async fn live_socket_with_full_backlog_is_refused() {
    let place = Place::new();
    let socket = || Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    let addr = SockAddr::unix(place.path()).unwrap();
    let busy = socket();
    busy.bind(&addr).unwrap();
    busy.listen(0).unwrap();
    let mut waiting = Vec::new();
    loop {
        let next = socket();
        next.set_nonblocking(true).unwrap();
        match next.connect(&addr) {
            Ok(()) => waiting.push(next),
            Err(full) => break assert_eq!(full.kind(), ErrorKind::WouldBlock),
        }
    }
    assert_eq!(place.refusal().await.kind(), ErrorKind::AddrInUse);
    busy.accept().unwrap();
}

/// A socket that may be in use is kept.
#[tokio::test]
async fn datagram_socket_is_refused() {
    let place = Place::new();
    let _datagrams = UnixDatagram::bind(place.path()).unwrap();
    let text = place.refusal().await.to_string();
    assert!(text.contains("cannot tell whether"), "{text}");
    assert!(place.path().exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_many_concurrent_starts_wins() {
    const STARTS: usize = 16;
    for _ in 0..20 {
        let place = Place::new();
        leave_stale_socket(place.path());
        let mut starts = tokio::task::JoinSet::new();
        for _ in 0..STARTS {
            let config = place.config();
            starts.spawn(async move { UdsListener::bind(&config).await });
        }
        let (won, lost): (Vec<_>, Vec<_>) =
            starts.join_all().await.into_iter().partition(Result::is_ok);
        assert_eq!((won.len(), lost.len()), (1, STARTS - 1), "{lost:?}");
        for error in lost {
            let Err(TransportError::Bind { source, .. }) = error else {
                panic!("{error:?}");
            };
            assert_eq!(source.kind(), ErrorKind::AddrInUse, "{source}");
        }
        UnixStream::connect(place.path()).unwrap();
    }
}

/// A start concurrent with the end of another listener keeps its file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn start_beside_end_keeps_its_file() {
    let place = Place::new();
    let mut listener = place.bind().await.unwrap();
    for _ in 0..300 {
        let ending = tokio::task::spawn_blocking(move || drop(listener));
        let next = loop {
            match place.bind().await {
                Ok(next) => break next,
                Err(TransportError::Bind { source, .. }) => {
                    assert_eq!(source.kind(), ErrorKind::AddrInUse, "{source}");
                }
                Err(other) => panic!("{other:?}"),
            }
        };
        ending.await.unwrap();
        UnixStream::connect(place.path()).unwrap();
        listener = next;
    }
}
