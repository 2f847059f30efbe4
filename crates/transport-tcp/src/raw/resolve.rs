//! Name resolution through the system's resolver.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};

use transport_limits::Threads;

/// Most concurrent lookups of one dialer.
///
/// A lookup cannot be cancelled and holds its thread until the system gives up. This bounds the
/// threads that a silent name server can block.
const MAX_LOOKUPS: usize = 64;

/// Resolves names on a bounded number of threads.
#[derive(Debug, Clone)]
pub(super) struct Resolver {
    threads: Threads,
    max_fd: Option<RawFd>,
}

impl Resolver {
    pub(super) fn new() -> Self {
        Self {
            threads: Threads::new("resolve", MAX_LOOKUPS),
            max_fd: None,
        }
    }

    pub(super) const fn set_max_fd(&mut self, limit: Option<RawFd>) {
        self.max_fd = limit;
    }

    /// Starts the first thread.
    pub(super) fn start(&self) -> io::Result<()> {
        self.threads.start()
    }

    /// Returns the addresses of a host in the system's order.
    ///
    /// An address literal is parsed.
    ///
    /// # Errors
    /// The error of the system, or of a missing thread or descriptor.
    ///
    /// # Cancel safety
    /// A dropped call abandons its lookup, which keeps its thread until it ends.
    pub(super) async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, port)]);
        }
        let (host, max_fd) = (host.to_owned(), self.max_fd);
        let lookup = move || {
            check_free_descriptor(max_fd)?;
            (host.as_str(), port)
                .to_socket_addrs()
                .map(Iterator::collect)
        };
        let thread = |error: io::Error| {
            let text = format!("no thread for the name lookup: {error}");
            io::Error::new(error.kind(), text)
        };
        self.threads.run(lookup).await.map_err(thread)?
    }
}

/// Checks that a descriptor below the limit is free.
///
/// The system's resolver opens its own sockets and would use reserved descriptors.
fn check_free_descriptor(limit: Option<RawFd>) -> io::Result<()> {
    let Some(limit) = limit else {
        return Ok(());
    };
    let probe = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    if probe.as_raw_fd() >= limit {
        return Err(super::connect::out_of_descriptors());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn name_and_literal_resolve() {
        let resolver = Resolver::new();
        let addrs = resolver.resolve("localhost", 7).await.unwrap();
        assert!(!addrs.is_empty() && addrs.iter().all(|addr| addr.ip().is_loopback()));
        let literal = resolver.resolve("::1", 7).await.unwrap();
        assert_eq!(literal, ["[::1]:7".parse().unwrap()]);
        assert_eq!(resolver.threads.free(), MAX_LOOKUPS);
    }

    #[tokio::test]
    async fn only_names_wait_for_a_thread() {
        let threads = Threads::new("test", 1);
        let full = Resolver {
            threads: threads.clone(),
            max_fd: None,
        };
        let (release, gate) = std::sync::mpsc::sync_channel::<()>(0);
        let held = threads.run(move || gate.recv());
        tokio::pin!(held);
        let moment = Duration::from_millis(50);
        timeout(moment, held.as_mut()).await.unwrap_err();
        timeout(moment, full.resolve("localhost", 7))
            .await
            .unwrap_err();
        assert_eq!(full.resolve("127.0.0.1", 7).await.unwrap().len(), 1);
        drop(release);
        held.await.unwrap().unwrap_err();
        assert!(!full.resolve("localhost", 7).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn lookup_leaves_reserved_descriptors() {
        let mut resolver = Resolver::new();
        resolver.set_max_fd(Some(1));
        let error = resolver.resolve("localhost", 7).await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(24), "{error}");
        assert_eq!(resolver.resolve("::1", 7).await.unwrap().len(), 1);
    }
}
