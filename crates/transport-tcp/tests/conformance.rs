//! The conformance suite for TCP.
#![allow(clippy::unwrap_used)]

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use transport_core::Target;
use transport_tcp::raw::{TcpDialer, TcpListener};
use transport_tcp::TcpConfig;
use transport_testkit::{Harness, Held, Opened};

struct TcpHarness;

async fn bind(config: &TcpConfig) -> (TcpListener, SocketAddr) {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = TcpListener::bind(any, config).await.unwrap();
    let addr = listener.local_addr().unwrap();
    (listener, addr)
}

impl Harness for TcpHarness {
    type Listener = TcpListener;
    type Dialer = TcpDialer;

    async fn open(&self) -> Opened<TcpListener, TcpDialer> {
        let (listener, addr) = bind(&TcpConfig::default()).await;
        let dialer = TcpDialer::new(&TcpConfig::default());
        let target = addr.to_string().parse().unwrap();
        Opened {
            listener,
            dialer,
            target,
        }
    }

    /// A listener with a full backlog: the kernel drops every further SYN.
    async fn deaf(&self) -> Option<(TcpDialer, Target, Held)> {
        let mut config = TcpConfig::default();
        config.set_backlog(1).unwrap();
        let (listener, addr) = bind(&config).await;
        let fill = move || {
            let mut held = Vec::new();
            // The kernel accepts a few connections more than the backlog.
            while held.len() < 64 {
                match TcpStream::connect_timeout(&addr, Duration::from_millis(200)) {
                    Ok(stream) => held.push(stream),
                    Err(_) => return Some(held),
                }
            }
            None
        };
        let held = tokio::task::spawn_blocking(fill).await.unwrap()?;
        let dialer = TcpDialer::new(&TcpConfig::default());
        let target = addr.to_string().parse().unwrap();
        Some((dialer, target, Box::new((listener, held))))
    }
}

transport_testkit::conformance!(TcpHarness);
