//! Options before the first packet: device, mark, code point, local address.

use std::io;
use std::net::{IpAddr, SocketAddr};

use socket2::SockRef;

use crate::TcpConfig;

/// Sets the options of a socket that will listen at `addr`.
pub(super) fn before_bind(
    socket: &SockRef<'_>,
    addr: SocketAddr,
    config: &TcpConfig,
) -> io::Result<()> {
    if let Some(name) = config.bind_device() {
        bind_device(socket, name).map_err(|error| named("bind_device", name, &error))?;
    }
    packets(socket, addr.ip(), config)
}

/// Sets the options of a socket that will connect to `addr`.
pub(super) fn before_connect(
    socket: &SockRef<'_>,
    addr: SocketAddr,
    config: &TcpConfig,
) -> io::Result<()> {
    if let Some(name) = config.dial_device() {
        bind_device(socket, name).map_err(|error| named("dial.bind_device", name, &error))?;
    }
    packets(socket, addr.ip(), config)?;
    #[cfg(target_os = "linux")]
    if config.dial_fast_open() {
        super::fast_open::use_at_connect(&**socket);
    }
    let mut sources = config.source_addrs().iter();
    if let Some(source) = sources.find(|source| source.is_ipv4() == addr.is_ipv4()) {
        let bound = socket.bind(&SocketAddr::new(*source, 0).into());
        bound.map_err(|error| named("dial.source_addr", &source.to_string(), &error))?;
    }
    Ok(())
}

/// Sets the options again on a socket that inherited others.
pub(super) fn again(socket: &SockRef<'_>, local: IpAddr, config: &TcpConfig) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    if socket.mark()? != config.fwmark() {
        set_mark(socket, config.fwmark())?;
    }
    set_dscp(socket, local, config.dscp())
}

/// Sets mark and code point of a new socket, which has neither.
fn packets(socket: &SockRef<'_>, ip: IpAddr, config: &TcpConfig) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    if config.fwmark() != 0 {
        set_mark(socket, config.fwmark())?;
    }
    if config.dscp() != 0 {
        set_dscp(socket, ip, config.dscp())?;
    }
    Ok(())
}

#[cfg(target_os = "linux")]
fn set_mark(socket: &SockRef<'_>, mark: u32) -> io::Result<()> {
    let set = socket.set_mark(mark);
    set.map_err(|error| named("tcp.fwmark", &mark.to_string(), &error))
}

/// Sets the upper six bits of the traffic class.
fn set_dscp(socket: &SockRef<'_>, ip: IpAddr, code: u8) -> io::Result<()> {
    let class = u32::from(code) << 2;
    let set = if ip.is_ipv4() {
        socket.set_tos_v4(class)
    } else {
        // A socket for both families sends mapped packets with the IPv4 value.
        let _ = socket.set_tos_v4(class);
        socket.set_tclass_v6(class)
    };
    set.map_err(|error| named("tcp.dscp", &code.to_string(), &error))
}

#[cfg(target_os = "linux")]
fn bind_device(socket: &SockRef<'_>, name: &str) -> io::Result<()> {
    socket.bind_device(Some(name.as_bytes()))
}

#[cfg(not(target_os = "linux"))]
fn bind_device(_: &SockRef<'_>, _: &str) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Adds key and value to an error, and keeps its kind.
fn named(key: &str, value: &str, error: &io::Error) -> io::Error {
    let advice = match error.kind() {
        io::ErrorKind::PermissionDenied => " (the process needs CAP_NET_ADMIN)",
        _ => "",
    };
    io::Error::new(
        error.kind(),
        format!("cannot set {key} = {value}: {error}{advice}"),
    )
}
