//! The conformance suite behind a hop, with and without a header.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::sync::Arc;

use transport_core::{NoObserver, Target};
use transport_proxy::raw::{ProxyDialer, ProxyListener};
use transport_proxy::{Proxied, ProxiedAddrs, ProxyConfig, ProxyVersion, Reloadable, TrustedHops};
use transport_tcp::raw::{TcpDialer, TcpListener};
use transport_tcp::TcpConfig;
use transport_testkit::{Harness, Held, Opened};

async fn listen(trusted: &str) -> (ProxyListener<TcpListener>, Target) {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let tcp = TcpListener::bind(any, &TcpConfig::default()).await.unwrap();
    let target = tcp.local_addr().unwrap().to_string().parse().unwrap();
    let mut config = ProxyConfig::default();
    config.set_trusted(TrustedHops::parse(&[trusted]).unwrap());
    let listener = ProxyListener::over(tcp, &Reloadable::new(config), Arc::new(NoObserver));
    (listener, target)
}

/// Peers that are not trusted, without a header.
struct NotTrusted;

impl Harness for NotTrusted {
    type Listener = ProxyListener<TcpListener>;
    type Dialer = TcpDialer;

    async fn open(&self) -> Opened<Self::Listener, Self::Dialer> {
        let (listener, target) = listen("192.0.2.0/24").await;
        Opened {
            listener,
            dialer: TcpDialer::default(),
            target,
        }
    }
}

/// A hop that announces a client.
struct Hop;

impl Harness for Hop {
    const ANNOUNCED: bool = true;

    type Listener = ProxyListener<TcpListener>;
    type Dialer = ProxyDialer<TcpDialer>;

    async fn open(&self) -> Opened<Self::Listener, Self::Dialer> {
        let (listener, target) = listen("127.0.0.0/8").await;
        let mut header = Proxied::new(ProxyVersion::V2);
        header.addrs = ProxiedAddrs::Ip {
            source: "192.0.2.1:5000".parse().unwrap(),
            destination: "192.0.2.9:443".parse().unwrap(),
        };
        Opened {
            listener,
            dialer: ProxyDialer::over(TcpDialer::default(), &header),
            target,
        }
    }

    /// A hop that sends no header.
    async fn stall(&self, _: &Self::Dialer, target: &Target) -> Option<Held> {
        let stream = tokio::net::TcpStream::connect(target.to_string()).await;
        Some(Box::new(stream.unwrap()))
    }
}

mod not_trusted {
    use super::NotTrusted;

    transport_testkit::conformance!(NotTrusted);
}

mod announced {
    use super::Hop;

    transport_testkit::conformance!(Hop);
}
