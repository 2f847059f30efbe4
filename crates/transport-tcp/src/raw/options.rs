//! Socket options of connections and listeners.

use std::io;
use std::num::NonZeroU32;

use socket2::{SockRef, TcpKeepalive};

use super::stream_socket::unless_mptcp;
use crate::TcpConfig;

/// Whether accepted sockets inherit the options of the listener, as on Linux.
pub(super) const ARE_INHERITED: bool = cfg!(target_os = "linux");

/// Sets the options of a new socket, which has every option off.
pub(super) fn apply(socket: &SockRef<'_>, config: &TcpConfig) -> io::Result<()> {
    socket.set_tcp_nodelay(config.nodelay())?;
    set_keepalive(socket, config)?;
    set_mark(socket, config.unsent_bytes())?;
    set_user_timeout(socket, config)
}

/// Sets the keepalive of a socket that has it off.
pub(super) fn set_keepalive(socket: &SockRef<'_>, config: &TcpConfig) -> io::Result<()> {
    match config.keepalive() {
        Some(idle) => {
            let keepalive = TcpKeepalive::new().with_time(idle);
            unless_mptcp(socket, socket.set_tcp_keepalive(&keepalive))
        }
        None => Ok(()),
    }
}

fn set_user_timeout(socket: &SockRef<'_>, config: &TcpConfig) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    if let Some(timeout) = config.user_timeout() {
        unless_mptcp(socket, socket.set_tcp_user_timeout(Some(timeout)))?;
    }
    let _ = (socket, config);
    Ok(())
}

/// Sets the options of a connected socket; its writes set the others.
///
/// `TCP_USER_TIMEOUT` would also bound the connect.
pub(super) fn apply_at_dial(
    socket: &SockRef<'_>,
    config: &TcpConfig,
) -> io::Result<DeferredOptions> {
    set_user_timeout(socket, config)?;
    Ok(DeferredOptions {
        nodelay: config.nodelay(),
        // Zero is the system's default already.
        unsent_bytes: NonZeroU32::new(config.unsent_bytes()),
    })
}

/// Options without effect on the first bytes of a stream.
///
/// A connection with one request saves a system call for each.
#[derive(Debug)]
pub(super) struct DeferredOptions {
    nodelay: bool,
    unsent_bytes: Option<NonZeroU32>,
}

/// Sets `TCP_NOTSENT_LOWAT` where the system has it.
fn set_mark(socket: &SockRef<'_>, bytes: u32) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    return unless_mptcp(socket, socket.set_tcp_notsent_lowat(bytes));
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (socket, bytes);
        Ok(())
    }
}

/// Largest first write that Nagle's algorithm sends at once.
///
/// It is a segment of every path (RFC 9293 §3.7.1).
const FIRST_WRITE: usize = 536;

impl DeferredOptions {
    /// Sets the options that a write needs.
    ///
    /// Returns whether all are set; `written` is the number of earlier bytes.
    ///
    /// Nagle's algorithm delays no segment while none is unacknowledged, and `TCP_NOTSENT_LOWAT`
    /// has no effect on fewer bytes.
    pub(super) fn set_for(
        &mut self,
        socket: &SockRef<'_>,
        written: u64,
        bytes: usize,
    ) -> io::Result<bool> {
        if self.nodelay && (written != 0 || bytes > FIRST_WRITE) {
            socket.set_tcp_nodelay(true)?;
            self.nodelay = false;
        }
        let after = written.saturating_add(bytes as u64);
        if let Some(mark) = self.unsent_bytes.filter(|mark| after > mark.get().into()) {
            set_mark(socket, mark.get())?;
            self.unsent_bytes = None;
        }
        Ok(!self.nodelay && self.unsent_bytes.is_none())
    }
}

/// Sets every option of a socket that had another configuration.
pub(super) fn replace(socket: &SockRef<'_>, config: &TcpConfig) -> io::Result<()> {
    socket.set_keepalive(config.keepalive().is_some())?;
    #[cfg(target_os = "linux")]
    unless_mptcp(socket, socket.set_tcp_user_timeout(config.user_timeout()))?;
    apply(socket, config)
}
