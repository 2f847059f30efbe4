//! The compared echo servers, each on its own thread and runtime.

use std::net::SocketAddr;
use std::sync::mpsc::{self, SyncSender};
use std::sync::Arc;

use ron_transport::config::Config;
use ron_transport::Transport;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::TlsAcceptor;
use transport_core::schema::Section;
use transport_core::{Backend, Observer, TaskKind};
use transport_limits::{Guard, Limiter, Limits};
use transport_metrics::{MetricsObserver, Prometheus};
use transport_tcp::TcpConfig;
use transport_tls::raw::TlsListener;
use transport_tls::{Reloadable, ServerTls};

/// The subject of a measurement.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// tokio-rustls alone.
    Bare,
    /// A guarded listener.
    Guarded,
    /// The facade.
    Facade,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Bare, Self::Guarded, Self::Facade];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare tokio-rustls",
            Self::Guarded => "guarded",
            Self::Facade => "facade, serve",
        }
    }
}

/// A running server, which ends with the process.
pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    pub(crate) tid: i32,
}

impl Server {
    pub(crate) fn start(kind: Kind, config: &Arc<ServerConfig>) -> Self {
        let (ready, bound) = mpsc::sync_channel(1);
        let config = Arc::clone(config);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            match kind {
                Kind::Bare => runtime.block_on(bare(config, any(), ready)),
                Kind::Guarded => runtime.block_on(guarded(config, ready)),
                Kind::Facade => runtime.block_on(facade(config, ready)),
            }
        });
        bound.recv().unwrap()
    }

    pub(crate) fn here(addr: SocketAddr) -> Self {
        let tid = rustix::thread::gettid().as_raw_nonzero().get();
        Self { addr, tid }
    }
}

pub(crate) fn any() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// Serves with tokio-rustls as in its own examples, without limits.
pub(crate) async fn bare(config: Arc<ServerConfig>, addr: SocketAddr, ready: SyncSender<Server>) {
    let acceptor = TlsAcceptor::from(config);
    let listener = TcpListener::bind(addr).await.unwrap();
    let addr = listener.local_addr().unwrap();
    ready.send(Server::here(addr)).unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                echo(stream).await;
            }
        });
    }
}

async fn guarded(config: Arc<ServerConfig>, ready: SyncSender<Server>) {
    let limiter = Limiter::new(&every_limit(), observer()).unwrap();
    let raw = transport_tcp::raw::TcpListener::bind(any(), &TcpConfig::default()).await;
    let live = Reloadable::new(ServerTls::from_rustls(config));
    let listener = TlsListener::over(raw.unwrap(), &live, limiter.shared_observer());
    let mut guard = Guard::new(listener, &limiter);
    let addr = guard.get_ref().get_ref().local_addr().unwrap();
    ready.send(Server::here(addr)).unwrap();
    loop {
        let incoming = guard.accept().await;
        limiter.tasks().spawn(TaskKind::Serve, async move {
            if let Ok(connection) = incoming.establish().await {
                let _ = echo(connection.io).await;
            }
        });
    }
}

async fn facade(config: Arc<ServerConfig>, ready: SyncSender<Server>) {
    let (transport, addr) = transport(config, any()).await;
    ready.send(Server::here(addr)).unwrap();
    transport.serve(echo).await.unwrap();
}

/// Returns a listening transport.
pub(crate) async fn transport(tls: Arc<ServerConfig>, addr: SocketAddr) -> (Transport, SocketAddr) {
    let mut config = Config::default();
    config.general.set_backend(Backend::Tls).unwrap();
    config.general.set_bind_addr(Some(addr));
    config.limits = every_limit();
    let builder = Transport::builder()
        .config(config)
        .server_tls(ServerTls::from_rustls(tls));
    let transport = builder.observer(observer()).build().unwrap();
    let addr = transport.listen().await.unwrap().socket_addr().unwrap();
    (transport, addr)
}

/// Returns an observer with a Prometheus recorder, as in the gateway.
pub(crate) fn observer() -> Arc<dyn Observer> {
    let prometheus = Prometheus::new().unwrap();
    let backends = &[Backend::Tcp, Backend::Tls];
    Arc::new(MetricsObserver::with_recorder(
        prometheus.recorder(),
        backends,
    ))
}

/// Every limit on, high enough that none is reached.
pub(crate) const LIMITS: &[(&str, &str)] = &[
    ("rates.per_conn_bytes_per_sec", "1024GiB"),
    ("rates.per_peer_bytes_per_sec", "1024GiB"),
    ("rates.global_ingress_bytes_per_sec", "1024GiB"),
    ("rates.global_egress_bytes_per_sec", "1024GiB"),
    ("rates.accepts_per_sec", "1000000"),
    ("per_peer.accepts_per_sec", "1000000"),
    ("per_peer.max_conns", "1000000"),
    ("max_conns", "1000000"),
    ("idle_timeout", "10m"),
    ("max_lifetime", "1h"),
];

pub(crate) fn every_limit() -> Limits {
    let mut limits = Limits::default();
    for (path, value) in LIMITS {
        limits.set(path, &(*value).into()).unwrap();
    }
    limits
}

/// The echo loop of every kind; it buffers one message.
async fn echo<I: AsyncRead + AsyncWrite + Unpin>(mut io: I) {
    let mut buffer = [0; 1024];
    while let Ok(read @ 1..) = io.read(&mut buffer).await {
        if io.write_all(&buffer[..read]).await.is_err() || io.flush().await.is_err() {
            return;
        }
    }
    let _ = io.shutdown().await;
}
