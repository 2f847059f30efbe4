//! One connection attempt, with as few system calls as the kernel allows.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};

use socket2::{Domain, SockRef, Socket};
use tokio::net::TcpStream;

use super::{network, options, stream_socket};
use crate::TcpConfig;

/// Connects a new socket with its options of the first packet.
pub(super) async fn connect(
    addr: SocketAddr,
    max_fd: Option<RawFd>,
    config: &TcpConfig,
) -> io::Result<(TcpStream, SocketAddr)> {
    let socket = stream_socket::open_nonblocking(Domain::for_address(addr), config)?;
    // Before it connects: a slow attempt would hold a reserved descriptor.
    if max_fd.is_some_and(|limit| socket.as_raw_fd() >= limit) {
        return Err(out_of_descriptors());
    }
    let options = SockRef::from(&socket);
    network::before_connect(&options, addr, config)?;
    // On a connected socket, each change would arm the keepalive timer again.
    options::set_keepalive(&options, config)?;
    Ok((connect_socket(socket, addr).await?, addr))
}

/// Connects, and reads `SO_ERROR` only if epoll reports an error.
#[cfg(target_os = "linux")]
async fn connect_socket(socket: Socket, addr: SocketAddr) -> io::Result<TcpStream> {
    use std::future::poll_fn;

    use rustix::io::Errno;
    use tokio::io::Interest;

    match socket.connect(&addr.into()) {
        Err(error) if error.raw_os_error() != Some(Errno::INPROGRESS.raw_os_error()) => {
            return Err(error);
        }
        _ => {}
    }
    let stream = TcpStream::from_std(socket.into())?;
    poll_fn(|cx| stream.poll_write_ready(cx)).await?;
    if stream.try_io(Interest::ERROR, || Ok(())).is_ok() {
        if let Some(error) = stream.take_error()? {
            return Err(error);
        }
    }
    Ok(stream)
}

#[cfg(not(target_os = "linux"))]
async fn connect_socket(socket: Socket, addr: SocketAddr) -> io::Result<TcpStream> {
    let socket = tokio::net::TcpSocket::from_std_stream(socket.into());
    socket.connect(addr).await
}

/// Returns `EMFILE`: no descriptor is left for connections.
pub(super) fn out_of_descriptors() -> io::Error {
    io::Error::from_raw_os_error(24)
}
