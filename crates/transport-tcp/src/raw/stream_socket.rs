//! New sockets: TCP, or Multipath TCP where the kernel has it.

use std::io;

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::TcpConfig;

/// Opens a socket of the configured protocol.
///
/// Falls back to TCP without Multipath TCP.
pub(super) fn open(domain: Domain, config: &TcpConfig) -> io::Result<Socket> {
    open_as(Type::STREAM, domain, config)
}

/// As [`open`], for a socket that will connect.
pub(super) fn open_nonblocking(domain: Domain, config: &TcpConfig) -> io::Result<Socket> {
    #[cfg(target_os = "linux")]
    return open_as(Type::STREAM.nonblocking(), domain, config);
    #[cfg(not(target_os = "linux"))]
    {
        let socket = open(domain, config)?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    }
}

fn open_as(kind: Type, domain: Domain, config: &TcpConfig) -> io::Result<Socket> {
    if config.mptcp() {
        match open_mptcp(kind, domain) {
            Err(error) if is_missing(&error) => {}
            opened => return opened,
        }
    }
    Socket::new(domain, kind, Some(Protocol::TCP))
}

/// Returns whether the kernel has Multipath TCP.
pub(crate) fn mptcp_is_available() -> bool {
    open_mptcp(Type::STREAM, Domain::IPV4).is_ok()
}

/// Ignores the failure of an option that Multipath TCP lacks.
///
/// Its sockets gained most options of TCP in later kernels.
pub(super) fn unless_mptcp(socket: &SockRef<'_>, set: io::Result<()>) -> io::Result<()> {
    match set {
        Err(error) if is_missing(&error) && is_mptcp(socket) => Ok(()),
        set => set,
    }
}

#[cfg(target_os = "linux")]
fn open_mptcp(kind: Type, domain: Domain) -> io::Result<Socket> {
    Socket::new(domain, kind, Some(Protocol::MPTCP))
}

#[cfg(not(target_os = "linux"))]
fn open_mptcp(_: Type, _: Domain) -> io::Result<Socket> {
    Err(io::Error::from_raw_os_error(93))
}

#[cfg(target_os = "linux")]
fn is_mptcp(socket: &SockRef<'_>) -> bool {
    matches!(socket.protocol(), Ok(Some(Protocol::MPTCP)))
}

#[cfg(not(target_os = "linux"))]
fn is_mptcp(_: &SockRef<'_>) -> bool {
    false
}

/// Returns whether the kernel or a sandbox lacks the feature.
fn is_missing(error: &io::Error) -> bool {
    /// Linux: EPERM, EINVAL, ENOSYS, ENOPROTOOPT, EPROTONOSUPPORT, EOPNOTSUPP.
    const NUMBERS: [i32; 6] = [1, 22, 38, 92, 93, 95];
    error
        .raw_os_error()
        .is_some_and(|number| NUMBERS.contains(&number))
}
