//! The conformance suite for Unix sockets.
#![allow(clippy::unwrap_used)]

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use socket2::{Domain, SockAddr, Socket, Type};
use tempfile::{Builder, TempDir};
use transport_core::Target;
use transport_testkit::{Harness, Held, Opened};
use transport_uds::raw::{UdsDialer, UdsListener};
use transport_uds::UdsConfig;

/// Keeps the directories of its sockets until the end of the case.
#[derive(Default)]
struct UdsHarness(Mutex<Vec<TempDir>>);

impl UdsHarness {
    fn fresh_path(&self) -> PathBuf {
        let private = Permissions::from_mode(0o700);
        let dir = Builder::new().permissions(private).tempdir().unwrap();
        let path = dir.path().join("s");
        self.0.lock().unwrap().push(dir);
        path
    }
}

fn socket() -> Socket {
    Socket::new(Domain::UNIX, Type::STREAM, None).unwrap()
}

/// A connection that waits in the backlog.
fn waiting(path: &Path) -> io::Result<Socket> {
    let socket = socket();
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)?;
    Ok(socket)
}

impl Harness for UdsHarness {
    /// Unix sockets have no reset.
    const SIGNALS_ABORT: bool = false;

    type Listener = UdsListener;
    type Dialer = UdsDialer;

    async fn open(&self) -> Opened<UdsListener, UdsDialer> {
        let path = self.fresh_path();
        let mut config = UdsConfig::default();
        let ours = rustix::process::geteuid().as_raw();
        config.set_path(&path).unwrap();
        config.set_allow_uids([ours]).unwrap();
        Opened {
            listener: UdsListener::bind(&config).await.unwrap(),
            dialer: UdsDialer::new(),
            target: Target::Unix(path),
        }
    }

    /// A listener with a full backlog: the kernel refuses every further connection.
    async fn deaf(&self) -> Option<(UdsDialer, Target, Held)> {
        let path = self.fresh_path();
        let listener = socket();
        listener.bind(&SockAddr::unix(&path).unwrap()).unwrap();
        listener.listen(0).unwrap();
        let mut held = vec![listener];
        let full = loop {
            match waiting(&path) {
                Ok(socket) => held.push(socket),
                Err(error) => break error,
            }
        };
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
        Some((UdsDialer::new(), Target::Unix(path), Box::new(held)))
    }
}

transport_testkit::conformance!(UdsHarness::default());
