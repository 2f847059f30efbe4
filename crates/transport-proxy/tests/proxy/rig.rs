//! A guarded listener on loopback, and hops that write to it.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use transport_core::{Connection, Reason, TransportError};
use transport_limits::{Admitted, Guard, GuardedIo, Limiter, Limits};
use transport_proxy::raw::{ProxyListener, ProxyPending};
use transport_proxy::{
    encode, Proxied, ProxiedAddrs, ProxyConfig, ProxyVersion, Reloadable, TrustedHops,
};
use transport_tcp::raw::{TcpIo, TcpListener, TcpPending};
use transport_tcp::TcpConfig;
use transport_testkit::Recorder;

/// The loopback network is trusted.
pub(crate) const LOOPBACK: &str = "127.0.0.0/8";

pub(crate) type Established = Result<Connection<GuardedIo<TcpIo>>, TransportError>;

pub(crate) struct Rig {
    pub(crate) guard: Guard<ProxyListener<TcpListener>>,
    pub(crate) config: Reloadable<ProxyConfig>,
    pub(crate) recorder: Recorder,
    pub(crate) limiter: Limiter,
    addr: SocketAddr,
}

/// Returns a configuration that trusts these hops.
pub(crate) fn trusting(hops: &[&str]) -> ProxyConfig {
    let mut config = ProxyConfig::default();
    config.set_trusted(TrustedHops::parse(hops).unwrap());
    config
}

/// Returns the line of a client, from port 5000.
pub(crate) fn line(client: &str) -> Vec<u8> {
    encode(&header(ProxyVersion::V1, client))
}

/// Returns a header that announces a client, from port 5000.
pub(crate) fn header(version: ProxyVersion, client: &str) -> Proxied {
    let mut header = Proxied::new(version);
    header.addrs = ProxiedAddrs::Ip {
        source: SocketAddr::new(client.parse().unwrap(), 5000),
        destination: "198.51.100.9:443".parse().unwrap(),
    };
    header
}

impl Rig {
    pub(crate) async fn new(config: ProxyConfig, limits: impl FnOnce(&mut Limits)) -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let tcp = TcpListener::bind(any, &TcpConfig::default()).await.unwrap();
        let addr = tcp.local_addr().unwrap();
        let recorder = Recorder::new();
        let mut set = Limits::default();
        limits(&mut set);
        let limiter = Limiter::new(&set, recorder.observer()).unwrap();
        let config = Reloadable::new(config);
        let raw = ProxyListener::over(tcp, &config, recorder.observer());
        Self {
            guard: Guard::new(raw, &limiter),
            config,
            recorder,
            limiter,
            addr,
        }
    }

    /// A listener that trusts loopback, with default limits.
    pub(crate) async fn trusted() -> Self {
        Self::new(trusting(&[LOOPBACK]), |_| ()).await
    }

    /// Connects and writes bytes.
    pub(crate) async fn connect(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.addr).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(bytes).await.unwrap();
        stream
    }

    /// Accepts the next connection.
    pub(crate) async fn accept(&mut self) -> Admitted<ProxyPending<TcpPending>> {
        self.guard.accept().await
    }

    /// Connects, writes bytes and establishes the connection.
    pub(crate) async fn establish(&mut self, bytes: &[u8]) -> (Established, TcpStream) {
        let hop = self.connect(bytes).await;
        let admitted = self.accept().await;
        (admitted.establish().await, hop)
    }

    /// Waits until no connection has a place.
    pub(crate) async fn gone(&self) {
        let recorder = self.recorder.clone();
        recorder
            .wait_for("no connection", |s| s.inflight() == 0)
            .await;
        assert_eq!((self.limiter.admitted(), self.limiter.pending()), (0, 0));
    }

    /// Connects, writes bytes and returns the reason of the one refusal.
    pub(crate) async fn refused(&mut self, bytes: &[u8]) -> Reason {
        let before = self.recorder.snapshot().all_rejected();
        let (result, _hop) = self.establish(bytes).await;
        let reason = result.err().and_then(|error| error.reason()).unwrap();
        let after = self.recorder.snapshot().all_rejected();
        assert_eq!(after, before + 1, "one failure is one reject");
        reason
    }
}

/// Reads until the end of the stream.
pub(crate) async fn read_all(io: &mut (impl tokio::io::AsyncRead + Unpin)) -> Vec<u8> {
    let mut bytes = Vec::new();
    io.read_to_end(&mut bytes).await.unwrap();
    bytes
}
