//! The Unix-socket dialer, which waits while the listener's backlog is full.

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

/// First and longest pause between attempts at a full backlog.
///
/// The kernel does not report free places in a backlog.
const PAUSE: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(50));

/// A raw dialer for Unix sockets.
///
/// # Example
///
/// ```no_run
/// use transport_core::{Dialer, Target};
/// use transport_uds::raw::UdsDialer;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let target = Target::Unix("/run/ron/gateway.sock".into());
/// let connection = UdsDialer::new().dial(&target).await?;
/// println!("{:?}", connection.info.identity);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct UdsDialer {
    config: Option<Reloadable<UdsConfig>>,
    max_fd: Option<RawFd>,
}

impl UdsDialer {
    /// Creates a dialer.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            config: None,
            max_fd: None,
        }
    }

    /// Reads the size of the send buffer from `config` at each dial.
    #[must_use]
    pub fn with_config(mut self, config: &Reloadable<UdsConfig>) -> Self {
        self.config = Some(config.clone());
        self
    }

    /// Refuses sockets with a descriptor of `limit` or higher, with `EMFILE`.
    ///
    /// See [`UdsListener::with_max_fd`](super::UdsListener::with_max_fd).
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

    /// Connects, and waits for a place in a full backlog.
    ///
    /// Only the guard's dial deadline ends this wait.
    ///
    /// # Errors
    /// [`TransportError::Unsupported`] for another kind of target or an invalid path,
    /// [`TransportError::Connect`] if the system refuses.
    ///
    /// # Cancel safety
    /// Dropping the future closes the socket.
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
        let stream = connect_waiting_for_backlog(path).await.map_err(connect)?;
        let connected = Instant::now();
        if self.max_fd.is_some_and(|limit| stream.as_raw_fd() >= limit) {
            return Err(connect(rustix::io::Errno::MFILE.into()));
        }
        let chunk = match &self.config {
            Some(config) => config.get().chunk_bytes(),
            None => UdsConfig::default().chunk_bytes(),
        };
        send_buffer::apply(&stream, chunk).map_err(connect)?;
        // The uid of the listener at the time of `listen`.
        let uid = stream.peer_cred().map_err(connect)?.uid();
        let mut info = ConnInfo::new(Backend::Uds, Some(PeerAddr::Uid(uid)));
        info.identity = PeerIdentity::Uid(uid);
        info.steps.set_connect(connected - started);
        Ok(Connection::new(UdsIo::new(stream), info))
    }
}

async fn connect_waiting_for_backlog(path: &Path) -> io::Result<UnixStream> {
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
