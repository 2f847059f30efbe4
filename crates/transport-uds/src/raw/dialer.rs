//! Dialing: connect, and wait where the other side's backlog is full.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::path::Path;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::{sleep, Instant};
use transport_core::{
    Backend, ConnInfo, Connection, Dialer, PeerAddr, PeerIdentity, Reloadable, Target,
    TransportError,
};

use super::{send_buffer, UdsIo};
use crate::{path, UdsConfig};

/// First and longest pause before another attempt at a full backlog: the kernel tells nobody when
/// there is a place again.
const PAUSE: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(50));

/// Dials Unix sockets.
#[derive(Debug, Clone, Default)]
pub struct UdsDialer {
    config: Option<Reloadable<UdsConfig>>,
    max_fd: Option<RawFd>,
}

impl UdsDialer {
    /// A dialer.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            config: None,
            max_fd: None,
        }
    }

    /// Takes the send buffer of dialed connections from here, as it is at each dial.
    #[must_use]
    pub fn with_config(mut self, config: &Reloadable<UdsConfig>) -> Self {
        self.config = Some(config.clone());
        self
    }

    /// As [`UdsListener::with_max_fd`](super::UdsListener::with_max_fd).
    #[must_use]
    pub const fn with_max_fd(mut self, limit: Option<RawFd>) -> Self {
        self.max_fd = limit;
        self
    }
}

impl Dialer for UdsDialer {
    type Io = UdsIo;

    fn backend(&self) -> Backend {
        Backend::Uds
    }

    /// Connects. A full backlog is waited for without an end of its own: the guard's dial
    /// deadline is that.
    ///
    /// # Errors
    /// [`TransportError::Unsupported`] for another kind of target or a path that no Unix socket
    /// can have, [`TransportError::Connect`] when the system refuses.
    async fn dial(&self, to: &Target) -> Result<Connection<UdsIo>, TransportError> {
        let Target::Unix(path) = to else {
            return Err(TransportError::Unsupported {
                what: format!("dialing {to} over uds"),
            });
        };
        path::check(path).map_err(|why| TransportError::Unsupported {
            what: format!("dialing {to} over uds: the path {why}"),
        })?;
        let connect = |source| TransportError::Connect {
            target: to.to_string(),
            source,
        };
        let started = Instant::now();
        let stream = connect_patiently(path).await.map_err(connect)?;
        let connected = Instant::now();
        if self.max_fd.is_some_and(|limit| stream.as_raw_fd() >= limit) {
            return Err(connect(rustix::io::Errno::MFILE.into()));
        }
        let chunk = match &self.config {
            Some(config) => config.get().chunk_bytes(),
            None => UdsConfig::default().chunk_bytes(),
        };
        send_buffer::apply(&stream, chunk).map_err(connect)?;
        // The uid that the other side had when it began to listen.
        let uid = stream.peer_cred().map_err(connect)?.uid();
        let mut info = ConnInfo::new(Backend::Uds, Some(PeerAddr::Uid(uid)));
        info.identity = PeerIdentity::Uid(uid);
        info.steps.connect = Some(connected - started);
        Ok(Connection::new(UdsIo::new(stream), info))
    }
}

async fn connect_patiently(path: &Path) -> io::Result<UnixStream> {
    let mut pause = PAUSE.0;
    loop {
        match UnixStream::connect(path).await {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                sleep(pause).await;
                pause = (pause * 2).min(PAUSE.1);
            }
            result => return result,
        }
    }
}
