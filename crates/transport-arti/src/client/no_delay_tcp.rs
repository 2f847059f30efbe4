//! TCP connections to relays, without Nagle's algorithm.
//!
//! Neither Arti nor tor sets `TCP_NODELAY`. Without it, Nagle's algorithm (RFC 896) holds the last
//! cells of a message until the relay acknowledges the earlier ones, and a delayed acknowledgement
//! (RFC 1122, section 4.2.3.2) adds up to 40 ms.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;

use tokio::net::TcpStream;
use tor_rtcompat::tokio::TokioRustlsRuntime as Tokio;
use tor_rtcompat::NetStreamProvider;

type TcpOptions = <Tokio as NetStreamProvider<SocketAddr>>::ConnectOptions;

/// Arti's TCP provider, with `TCP_NODELAY` set on each connection.
#[derive(Debug, Clone)]
pub(crate) struct NoDelayTcp(pub(super) Tokio);

type TcpFuture<'a, T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send + 'a>>;

impl NetStreamProvider<SocketAddr> for NoDelayTcp {
    type Stream = <Tokio as NetStreamProvider<SocketAddr>>::Stream;
    type Listener = <Tokio as NetStreamProvider<SocketAddr>>::Listener;
    type ConnectOptions = TcpOptions;
    type ListenOptions = <Tokio as NetStreamProvider<SocketAddr>>::ListenOptions;

    fn connect<'a, 'b, 'c, 'd>(
        &'a self,
        addr: &'b SocketAddr,
        options: &'c Self::ConnectOptions,
    ) -> TcpFuture<'d, Self::Stream>
    where
        'a: 'd,
        'b: 'd,
        'c: 'd,
        Self: 'd,
    {
        // Arti 0.47 sets no options; only its own runtime can apply them.
        if *options != TcpOptions::default() {
            return self.0.connect(addr, options);
        }
        Box::pin(async move {
            let stream = TcpStream::connect(*addr).await?;
            stream.set_nodelay(true)?;
            Ok(stream.into())
        })
    }

    fn listen<'a, 'b, 'c, 'd>(
        &'a self,
        addr: &'b SocketAddr,
        options: &'c Self::ListenOptions,
    ) -> TcpFuture<'d, Self::Listener>
    where
        'a: 'd,
        'b: 'd,
        'c: 'd,
        Self: 'd,
    {
        self.0.listen(addr, options)
    }
}
