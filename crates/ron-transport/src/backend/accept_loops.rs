//! The listeners of several accept loops.

use transport_core::{Backend, TransportError};
use transport_tcp::raw::ListenSet;

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
        let is_ip = matches!(general.backend(), Backend::Tcp | Backend::Tls);
        if parts.custom.is_some() || !is_ip {
            return Self::bind(parts).await?.into_many(loops);
        }
        let addrs = general.bind_addrs();
        if addrs.is_empty() {
            return Err(TransportError::Config {
                source: "bind_addr is not set: set it to an IP address and port to listen".into(),
            });
        }
        // Before the bind: an unusable key fails before clients can connect.
        parts.prepare(general.backend()).await?;
        let (_, listeners) = ListenSet::bind(addrs, &parts.backends.tcp.get(), loops)?;
        let mut all = Vec::with_capacity(loops);
        for raw in listeners {
            all.push(parts.over_tcp(general.backend(), raw).await?);
        }
        Ok(all)
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
