//! Free ports for processes that bind by themselves.
//!
//! Port 0 is no option: the kernel also assigns its ephemeral ports to others, so a stopped node
//! could lose its port, or a client could connect to itself.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{Ipv4Addr, TcpListener};

/// Below the ephemeral ports of Linux (`ip_local_port_range`, from 32768).
const FROM: u16 = 10_000;
const COUNT: u64 = 20_000;
/// The number of ports to try.
const ATTEMPTS: usize = 1_000;

/// Returns `N` different loopback ports that are free now.
///
/// Another process may take one before it is used. That node then ends at once, and the start is
/// repeated.
pub(super) fn free<const N: usize>() -> io::Result<[u16; N]> {
    // Bound until all are found, so that no port is found twice.
    let mut held = Vec::new();
    let mut ports = [0; N];
    for _ in 0..ATTEMPTS {
        if held.len() == N {
            return Ok(ports);
        }
        let at = u16::try_from(RandomState::new().hash_one(0) % COUNT).map_err(io::Error::other)?;
        let port = FROM + at;
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            ports[held.len()] = port;
            held.push(listener);
        }
    }
    Err(io::Error::other("no free port on loopback"))
}

#[test]
fn ports_differ_and_used_ones_are_skipped() {
    let ports: [u16; 64] = free().unwrap();
    let different: std::collections::HashSet<_> = ports.into_iter().collect();
    assert_eq!(different.len(), 64);
    let taken = ports.map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)));
    let more: [u16; 512] = free().unwrap();
    for (port, held) in ports.iter().zip(taken) {
        assert!(held.is_err() || !more.contains(port), "{port} is taken");
    }
}
