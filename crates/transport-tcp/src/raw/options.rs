//! Socket options of connections and listeners.

use std::io;

use socket2::{SockRef, TcpKeepalive};

use crate::TcpConfig;

/// Whether accepted sockets inherit the options of the listener, as on Linux.
pub(super) const ARE_INHERITED: bool = cfg!(target_os = "linux");

/// Sets the options of a new socket, which has every option off.
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

/// Sets every option of a socket that had another configuration.
pub(super) fn replace(socket: &SockRef<'_>, config: &TcpConfig) -> io::Result<()> {
    socket.set_keepalive(config.keepalive().is_some())?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(config.user_timeout())?;
    apply(socket, config)
}
