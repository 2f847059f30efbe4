//! Socket options of an established connection.

use std::io;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

use crate::TcpConfig;

pub(super) fn apply(stream: &TcpStream, config: &TcpConfig) -> io::Result<()> {
    stream.set_nodelay(config.nodelay())?;
    let socket = SockRef::from(stream);
    if let Some(idle) = config.keepalive() {
        socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(idle))?;
    }
    #[cfg(target_os = "linux")]
    if let Some(timeout) = config.user_timeout() {
        socket.set_tcp_user_timeout(Some(timeout))?;
    }
    Ok(())
}
