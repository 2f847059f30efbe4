//! New sockets: TCP, or Multipath TCP where the kernel has it.

use std::io;

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::TcpConfig;

/// Opens a socket of the configured protocol.
///
/// Falls back to TCP without Multipath TCP.
pub(super) fn open(domain: Domain, config: &TcpConfig) -> io::Result<Socket> {
    if config.mptcp() {
        match open_mptcp(domain) {
            Err(error) if is_missing(&error) => {}
            opened => return opened,
        }
    }
    Socket::new(domain, Type::STREAM, Some(Protocol::TCP))
}

/// Returns whether the kernel has Multipath TCP.
pub(crate) fn mptcp_is_available() -> bool {
    open_mptcp(Domain::IPV4).is_ok()
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
fn open_mptcp(domain: Domain) -> io::Result<Socket> {
    Socket::new(domain, Type::STREAM, Some(Protocol::MPTCP))
}

#[cfg(not(target_os = "linux"))]
fn open_mptcp(_: Domain) -> io::Result<Socket> {
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
