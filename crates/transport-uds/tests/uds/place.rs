//! A private directory with the path of a socket.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use transport_core::TransportError;
use transport_uds::raw::UdsListener;
use transport_uds::UdsConfig;

pub(crate) struct Place {
    dir: TempDir,
    path: PathBuf,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self::with_mode(0o700)
    }

    pub(crate) fn with_mode(mode: u32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        // After its creation, because of the umask.
        std::fs::set_permissions(dir.path(), Permissions::from_mode(mode)).unwrap();
        let path = dir.path().join("s");
        Self { dir, path }
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns a configuration that allows this user.
    pub(crate) fn config(&self) -> UdsConfig {
        config_at(&self.path)
    }

    pub(crate) async fn bind(&self) -> Result<UdsListener, TransportError> {
        UdsListener::bind(&self.config()).await
    }

    /// Returns the bind error, and checks that it names the path.
    pub(crate) async fn refusal(&self) -> io::Error {
        refusal(&self.config()).await
    }
}

pub(crate) fn config_at(path: &Path) -> UdsConfig {
    let mut config = UdsConfig::default();
    config.set_path(path).unwrap();
    config.set_allow_uids([our_uid()]).unwrap();
    config
}

pub(crate) async fn refusal(config: &UdsConfig) -> io::Error {
    match UdsListener::bind(config).await.unwrap_err() {
        TransportError::Bind { addr, source } => {
            assert_eq!(Path::new(&addr), config.path().unwrap());
            source
        }
        other => panic!("{other:?}"),
    }
}

pub(crate) fn our_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Creates a stale socket, as a killed process leaves it.
pub(crate) fn leave_stale_socket(path: &Path) {
    drop(std::os::unix::net::UnixListener::bind(path).unwrap());
    assert!(path.exists());
}
