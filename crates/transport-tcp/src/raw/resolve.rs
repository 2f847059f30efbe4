//! Names to addresses, through the system's resolver.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// Look-ups of one dialer at a time. A look-up cannot be cancelled: it holds a thread until the
/// system gives up, and one that is given up waits in the runtime's queue. So they are counted
/// until they end, and a name server that does not answer fills neither.
const MAX_LOOKUPS: usize = 64;

#[derive(Debug, Clone)]
pub(super) struct Resolver {
    lookups: Arc<Semaphore>,
}

impl Resolver {
    pub(super) fn new() -> Self {
        Self::with_lookups(MAX_LOOKUPS)
    }

    fn with_lookups(lookups: usize) -> Self {
        Self {
            lookups: Arc::new(Semaphore::new(lookups)),
        }
    }

    /// The addresses of a host, in the order the system gives them; an address literal is its own.
    ///
    /// # Cancel safety
    /// A dropped call gives up its look-up, which counts until it ends.
    pub(super) async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, port)]);
        }
        let place = Arc::clone(&self.lookups).acquire_owned().await;
        let place = place.map_err(io::Error::other)?;
        let host = host.to_owned();
        let lookup = move || {
            let addrs = (host.as_str(), port).to_socket_addrs();
            drop(place);
            addrs.map(Iterator::collect)
        };
        spawn_blocking(lookup).await.map_err(io::Error::other)?
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn a_name_and_a_literal_resolve() {
        let resolver = Resolver::new();
        let addrs = resolver.resolve("localhost", 7).await.unwrap();
        assert!(!addrs.is_empty() && addrs.iter().all(|addr| addr.ip().is_loopback()));
        let literal = resolver.resolve("::1", 7).await.unwrap();
        assert_eq!(literal, ["[::1]:7".parse().unwrap()]);
        assert_eq!(resolver.lookups.available_permits(), MAX_LOOKUPS);
    }

    #[tokio::test(start_paused = true)]
    async fn names_wait_for_a_place_and_literals_do_not() {
        let full = Resolver::with_lookups(0);
        let hour = Duration::from_secs(3600);
        timeout(hour, full.resolve("localhost", 7))
            .await
            .unwrap_err();
        assert_eq!(full.resolve("127.0.0.1", 7).await.unwrap().len(), 1);
    }
}
