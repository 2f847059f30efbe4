//! The conformance suite for TLS over TCP.
#![allow(clippy::unwrap_used)]

mod pki;

use std::net::SocketAddr;

use pki::{Authority, Files, SERVER};
use transport_core::Target;
use transport_tcp::raw::{TcpDialer, TcpListener};
use transport_tcp::TcpConfig;
use transport_testkit::{Harness, Held, Opened, Recorder};
use transport_tls::raw::{TlsDialer, TlsListener};
use transport_tls::PqMode;

struct TlsHarness;

async fn bind() -> (TcpListener, Target) {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = TcpListener::bind(any, &TcpConfig::default()).await.unwrap();
    let addr = listener.local_addr().unwrap();
    (listener, addr.to_string().parse().unwrap())
}

fn dialer(files: &Files) -> TlsDialer<TcpDialer> {
    let mut config = files.client_config();
    config.set_sni_override(Some(SERVER.to_owned())).unwrap();
    let live = pki::client(&config, PqMode::Hybrid);
    TlsDialer::over(TcpDialer::default(), &live, Recorder::new().observer())
}

fn files() -> Files {
    let authority = Authority::new();
    Files::new(&authority, &authority.leaf(&[SERVER]))
}

impl Harness for TlsHarness {
    type Listener = TlsListener<TcpListener>;
    type Dialer = TlsDialer<TcpDialer>;

    async fn open(&self) -> Opened<Self::Listener, Self::Dialer> {
        let files = files();
        let (raw, target) = bind().await;
        let live = pki::server(&files.server_config(), PqMode::Hybrid);
        Opened {
            listener: TlsListener::over(raw, &live, Recorder::new().observer()),
            dialer: dialer(&files),
            target,
        }
    }

    /// A TCP connection that sends no hello.
    async fn stall(&self, _: &Self::Dialer, target: &Target) -> Option<Held> {
        let stream = tokio::net::TcpStream::connect(target.to_string()).await;
        Some(Box::new(stream.unwrap()))
    }

    /// A listener that does not answer a hello.
    async fn deaf(&self) -> Option<(Self::Dialer, Target, Held)> {
        let (listener, target) = bind().await;
        Some((dialer(&files()), target, Box::new(listener)))
    }
}

transport_testkit::conformance!(TlsHarness);
