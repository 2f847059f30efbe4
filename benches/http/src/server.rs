//! The compared servers, each on its own thread and runtime.

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::{sync_channel, SyncSender};
use std::sync::Arc;

use axum::routing::get;
use axum::Router;
use ron_transport::config::Config;
use ron_transport::Transport;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;
use tokio_rustls::TlsAcceptor;
use transport_core::{Backend, Observer};
use transport_http::{serve_http, ServeOptions};
use transport_metrics::{MetricsObserver, Prometheus};
use transport_tls::ServerTls;

use crate::tls::Tls;

/// The subject of a measurement.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// `axum::serve` on tokio-rustls alone.
    Bare,
    /// `axum::serve` on the transport.
    Listener,
    /// `serve_http` on the transport.
    ServeHttp,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Bare, Self::Listener, Self::ServeHttp];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bare => "axum, bare tokio-rustls",
            Self::Listener => "axum::serve, transport",
            Self::ServeHttp => "serve_http, transport",
        }
    }
}

/// Starts a server, which ends with the process.
pub(crate) fn start(kind: Kind, tls: &Tls) -> SocketAddr {
    let (ready, bound) = sync_channel(1);
    let tls = Arc::clone(&tls.server);
    std::thread::spawn(move || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().unwrap();
        runtime.block_on(serve(kind, tls, ready));
    });
    bound.recv().unwrap()
}

async fn serve(kind: Kind, tls: Arc<ServerConfig>, ready: SyncSender<SocketAddr>) {
    let app = Router::new().route("/", get(|| async { "hello" }));
    if matches!(kind, Kind::Bare) {
        let listener = BareListener::bind(tls).await;
        ready.send(listener.addr).unwrap();
        return axum::serve(listener, app).await.unwrap();
    }
    let (transport, addr) = transport(tls).await;
    ready.send(addr).unwrap();
    if matches!(kind, Kind::Listener) {
        let listener = transport_http::axum::listener(&transport).unwrap();
        return axum::serve(listener, app).await.unwrap();
    }
    let incoming = transport.incoming().unwrap();
    serve_http(incoming, app, ServeOptions::of(&transport)).await;
}

fn any() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// Returns a listening transport with default limits.
///
/// A Prometheus recorder counts its metrics.
async fn transport(tls: Arc<ServerConfig>) -> (Arc<Transport>, SocketAddr) {
    let mut config = Config::default();
    config.general.set_backend(Backend::Tls).unwrap();
    config.general.set_bind_addr(Some(any()));
    let prometheus = Prometheus::new().unwrap();
    let observer: Arc<dyn Observer> = Arc::new(MetricsObserver::with_recorder(
        prometheus.recorder(),
        &[Backend::Tls],
    ));
    let builder = Transport::builder()
        .config(config)
        .server_tls(ServerTls::from_rustls(tls));
    let transport = builder.observer(observer).build().unwrap();
    let addr = transport.listen().await.unwrap().socket_addr().unwrap();
    (Arc::new(transport), addr)
}

/// A listener of axum on tokio-rustls. Handshakes run in tasks.
struct BareListener {
    addr: SocketAddr,
    established: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
}

impl BareListener {
    async fn bind(tls: Arc<ServerConfig>) -> Self {
        let listener = TcpListener::bind(any()).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (sender, established) = mpsc::channel(1);
        tokio::spawn(async move {
            let acceptor = TlsAcceptor::from(tls);
            loop {
                let (stream, peer) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let (acceptor, sender) = (acceptor.clone(), sender.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        let _ = sender.send((stream, peer)).await;
                    }
                });
            }
        });
        Self { addr, established }
    }
}

impl axum::serve::Listener for BareListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        self.established.recv().await.unwrap()
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.addr)
    }
}
