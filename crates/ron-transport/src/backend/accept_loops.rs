//! The listeners of several accept loops.

use transport_core::{Backend, TransportError};
use transport_tcp::raw::TcpListener;

use super::{AnyListener, ListenerParts};

impl AnyListener {
    /// Binds a listener for each accept loop.
    ///
    /// IP sockets are one for each loop. A Unix socket is shared, and an onion service has one
    /// listener.
    pub(crate) async fn bind_many(
        parts: &ListenerParts<'_>,
        loops: usize,
    ) -> Result<Vec<Self>, TransportError> {
        let general = &parts.config.general;
        match (general.backend(), general.bind_addr()) {
            (backend @ (Backend::Tcp | Backend::Tls), Some(addr)) if loops > 1 => {
                parts.prepare(backend).await?;
                let tcp = parts.backends.tcp.get();
                let mut all = Vec::with_capacity(loops);
                for raw in TcpListener::bind_many(addr, &tcp, loops).await? {
                    all.push(parts.over_tcp(backend, raw).await?);
                }
                Ok(all)
            }
            _ => Self::bind(parts).await?.into_many(loops),
        }
    }

    /// Shares the socket among several accept loops, if its backend can.
    pub(crate) fn into_many(self, loops: usize) -> Result<Vec<Self>, TransportError> {
        let mut all = vec![self];
        while all.len() < loops {
            match all[0].share()? {
                Some(next) => all.push(next),
                None => break,
            }
        }
        Ok(all)
    }
}
