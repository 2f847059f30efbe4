//! An accepted connection before its PROXY header.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use transport_core::{
    Connection, Io, Observer, PeerAddr, Pending, Proxied, ProxyResult, Reason, TransportError,
};

use super::result::HeaderMetric;
use crate::header::{HeaderDecoder, HeaderError};

/// Bytes of one read of the header.
const READ_BYTES: usize = 256;

/// An accepted connection, from a trusted hop or from another peer.
pub struct ProxyPending<P: Pending> {
    stage: Stage<P>,
    peer: PeerAddr,
    /// The hop, with the time for its header.
    hop: Option<HopDeadline>,
    refused: Option<Reason>,
}

enum Stage<P: Pending> {
    /// Nothing has been read.
    Raw(P),
    /// The header has been read.
    Identified(Connection<P::Io>),
    /// The header is being read, or was invalid.
    Reading,
}

struct HopDeadline {
    limit: Duration,
    observer: Arc<dyn Observer>,
}

impl<P: Pending> fmt::Debug for ProxyPending<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyPending")
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

impl<P: Pending> ProxyPending<P> {
    /// A connection of a hop, which must send a header.
    pub(super) fn of_hop(raw: P, limit: Duration, observer: Arc<dyn Observer>) -> Self {
        Self {
            peer: raw.peer(),
            refused: raw.refused(),
            stage: Stage::Raw(raw),
            hop: Some(HopDeadline { limit, observer }),
        }
    }

    /// A connection of a peer without a header.
    pub(super) fn of_peer(raw: P, is_refused: bool) -> Self {
        let no_header = is_refused.then_some(Reason::Proxy);
        Self {
            peer: raw.peer(),
            refused: raw.refused().or(no_header),
            stage: Stage::Raw(raw),
            hop: None,
        }
    }
}

impl<P: Pending> Pending for ProxyPending<P> {
    type Io = P::Io;

    const HANDSHAKE: bool = P::HANDSHAKE;

    /// Returns the announced address, else that of the connection.
    fn peer(&self) -> PeerAddr {
        self.peer
    }

    fn refused(&self) -> Option<Reason> {
        self.refused
    }

    fn hop_timeout(&self) -> Option<Duration> {
        self.hop.as_ref().map(|hop| hop.limit)
    }

    /// Reads the header of a hop, and no byte after it.
    ///
    /// # Errors
    /// [`TransportError::Proxy`] for an invalid header, [`TransportError::Closed`] if the hop closes
    /// the connection before its first byte, and the errors of the connection below.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection.
    async fn identify(&mut self) -> Result<(), TransportError> {
        let Some(hop) = &self.hop else {
            return Ok(());
        };
        let stage = match std::mem::replace(&mut self.stage, Stage::Reading) {
            Stage::Raw(raw) => raw,
            stage => {
                self.stage = stage;
                return Ok(());
            }
        };
        let mut metric = HeaderMetric::start(&hop.observer);
        let mut connection = stage.establish().await?;
        let mut facts = read_header(&mut connection.io, &mut metric).await?;
        facts.via = Some(self.peer);
        let info = Arc::make_mut(&mut connection.info);
        if let Some(source) = facts.source() {
            self.peer = PeerAddr::Ip(source);
            self.hop = None;
            info.peer = Some(self.peer);
        }
        info.proxied = Some(Arc::new(facts));
        self.stage = Stage::Identified(connection);
        Ok(())
    }

    /// Reads the header if [`identify`](Self::identify) has not, and runs the handshake below.
    ///
    /// # Errors
    /// As [`identify`](Self::identify), and the errors of the connection below.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection.
    async fn establish(mut self) -> Result<Connection<Self::Io>, TransportError> {
        if self.hop.is_some() {
            // Boxed, so that a connection without a hop does not store it.
            Box::pin(self.identify()).await?;
        }
        match self.stage {
            Stage::Raw(raw) => raw.establish().await,
            Stage::Identified(connection) => Ok(connection),
            Stage::Reading => Err(TransportError::State {
                what: "the PROXY header of this connection was invalid: it cannot be established",
            }),
        }
    }
}

/// Reads a header, and no byte after it.
async fn read_header<I: Io>(
    io: &mut I,
    metric: &mut HeaderMetric,
) -> Result<Proxied, TransportError> {
    let mut decoder = HeaderDecoder::new();
    let mut chunk = [0; READ_BYTES];
    loop {
        let wanted = decoder.wanted().min(READ_BYTES);
        let read = match io.read(&mut chunk[..wanted]).await {
            Ok(0) if decoder.taken() == 0 => {
                metric.end(ProxyResult::Closed);
                return Err(TransportError::Closed);
            }
            Ok(read) => read,
            Err(error) => {
                metric.end(ProxyResult::Closed);
                return Err(error.into());
            }
        };
        let fed = match read {
            0 => Err(HeaderError::Truncated {
                bytes: decoder.taken(),
            }),
            read => decoder.feed(&chunk[..read]),
        };
        metric.version(decoder.version());
        match fed {
            Ok((_, None)) => {}
            Ok((_, Some(facts))) => {
                metric.end(match facts.source() {
                    Some(_) => ProxyResult::Ok,
                    None => ProxyResult::NoAddress,
                });
                return Ok(facts);
            }
            Err(error) => {
                metric.end(error.result());
                let source = Box::new(error);
                return Err(TransportError::Proxy { source });
            }
        }
    }
}
