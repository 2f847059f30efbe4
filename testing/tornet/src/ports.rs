//! Free ports for processes that listen by themselves.
//!
//! Not from port 0: what the kernel gives out there it gives to others as well, so that a node's
//! port would be lost while the node is stopped, or a client would meet itself on it.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{Ipv4Addr, TcpListener};

/// Below what Linux gives out by itself (`ip_local_port_range`, from 32768).
const FROM: u16 = 10_000;
const COUNT: u64 = 20_000;
/// A machine on which so many in a row are taken has none to spare.
const ATTEMPTS: usize = 1_000;

/// `N` different ports of loopback that nobody listens on now.
///
/// Somebody may before they are used: then a node ends at once, and the start is tried again.
pub(super) fn free<const N: usize>() -> io::Result<[u16; N]> {
    // Held until all are found, so that none is found twice.
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
    Err(io::Error::other("no free ports on loopback"))
}

#[test]
fn ports_are_different_and_those_in_use_are_left_out() {
    let ports: [u16; 64] = free().unwrap();
    let different: std::collections::HashSet<_> = ports.into_iter().collect();
    assert_eq!(different.len(), 64);
    let taken = ports.map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)));
    let more: [u16; 512] = free().unwrap();
    for (port, held) in ports.iter().zip(taken) {
        assert!(held.is_err() || !more.contains(port), "{port} is taken");
    }
}
