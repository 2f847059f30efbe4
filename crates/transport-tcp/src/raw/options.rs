//! Socket options of a connection, or of a listener for those it accepts.

use std::io;

use socket2::{SockRef, TcpKeepalive};

use crate::TcpConfig;

/// Whether an accepted socket has the options of the listening one (Linux copies them).
pub(super) const ARE_INHERITED: bool = cfg!(target_os = "linux");

/// Sets the mark of unsent bytes and what is on. A socket that was just made has all of it off.
pub(super) fn apply(socket: &SockRef<'_>, config: &TcpConfig) -> io::Result<()> {
    socket.set_tcp_nodelay(config.nodelay())?;
    if let Some(idle) = config.keepalive() {
        socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(idle))?;
    }
    #[cfg(target_os = "linux")]
    socket.set_tcp_notsent_lowat(config.unsent_bytes())?;
    #[cfg(target_os = "linux")]
    if let Some(timeout) = config.user_timeout() {
        socket.set_tcp_user_timeout(Some(timeout))?;
    }
    Ok(())
}

/// Sets all of it, on a socket that had the options of another configuration.
pub(super) fn replace(socket: &SockRef<'_>, config: &TcpConfig) -> io::Result<()> {
    socket.set_keepalive(config.keepalive().is_some())?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(config.user_timeout())?;
    apply(socket, config)
}
