//! The file of the socket: its mode, what may be at its path, and that it goes again.

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
use crate::place::{config_at, leave_a_dead_socket, Place};

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().mode() & 0o7777
}

/// Everything that happened to the files of the watched directory.
fn events(watch: OwnedFd) -> Vec<ReadFlags> {
    let mut buf = [MaybeUninit::uninit(); 4096];
    let mut reader = inotify::Reader::new(watch, &mut buf);
    let mut seen = Vec::new();
    while let Ok(event) = reader.next() {
        seen.push(event.events());
    }
    seen
}

/// Made with its mode, which is not changed afterwards: there is no moment in which it is wider.
#[test]
fn the_file_is_0600_from_its_first_moment_whatever_the_umask() {
    const NAME: &str = "file::the_file_is_0600_from_its_first_moment_whatever_the_umask";
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
        // No destructor runs, as in a process that is killed.
        std::process::exit(0);
    }
    let only_created = format!("{:?}", [ReadFlags::CREATE]);
    let place = Place::new();
    for umask in ["0", "022", "077", "0"] {
        // Each finds what the one before it left.
        let printed = child::run(NAME, umask, place.path());
        assert!(
            printed.contains(&format!("child: mode 600, {only_created}")),
            "{printed}"
        );
        assert!(place.path().exists(), "the child left nothing behind");
    }
    let place = Place::new();
    let printed = child::run(NAME, "0277", place.path());
    assert!(
        printed.contains("mode 0400 instead of 0600") && printed.contains("there: false"),
        "{printed}"
    );
}

#[tokio::test]
async fn the_file_goes_with_the_listener() {
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
async fn the_file_is_found_where_its_directory_went() {
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
async fn a_file_that_took_its_place_is_left_alone() {
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
async fn what_is_no_socket_is_refused_and_left_alone() {
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

    // To a dead socket, which is as removable as can be, and to nothing.
    let place = Place::new();
    let dead = place.dir().join("dead");
    leave_a_dead_socket(&dead);
    symlink(&dead, place.path()).unwrap();
    let place = refused(place, "there is a symlink").await;
    assert!(place.path().is_symlink() && dead.exists());

    let place = Place::new();
    symlink("nowhere", place.path()).unwrap();
    let place = refused(place, "there is a symlink").await;
    assert!(place.path().is_symlink());
}

#[tokio::test]
async fn the_socket_of_a_dead_process_is_replaced() {
    let place = Place::new();
    leave_a_dead_socket(place.path());
    let _listener = place.bind().await.unwrap();
    assert_eq!(mode(place.path()), 0o600);
    UnixStream::connect(place.path()).unwrap();
}

#[tokio::test]
async fn a_live_socket_is_refused_and_goes_on() {
    let place = Place::new();
    let mut first = place.bind().await.unwrap();
    let inode = place.path().metadata().unwrap().ino();
    let error = place.refusal().await;
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert!(error.to_string().contains("address in use"), "{error}");
    assert_eq!(place.path().metadata().unwrap().ino(), inode);

    // The look at whether it lives came first, and hung up.
    drop(first.accept().await.unwrap());
    let target = Target::Unix(place.path().to_owned());
    UdsDialer::new().dial(&target).await.unwrap();
    first.accept().await.unwrap().establish().await.unwrap();
}

#[tokio::test]
async fn a_live_socket_with_a_full_backlog_is_refused_too() {
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

/// What is not of the dead for sure is left alone.
#[tokio::test]
async fn a_socket_of_another_kind_is_refused() {
    let place = Place::new();
    let _datagrams = UnixDatagram::bind(place.path()).unwrap();
    let told = place.refusal().await.to_string();
    assert!(told.contains("cannot tell whether"), "{told}");
    assert!(place.path().exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_starts_at_a_time_one_wins() {
    const STARTS: usize = 16;
    for _ in 0..20 {
        let place = Place::new();
        leave_a_dead_socket(place.path());
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

/// The end of one listener and the start of the next: never a start that loses its file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_beside_an_end_keeps_its_file() {
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
