//! What both ends of a handshake have in common: buffers, and what was agreed on.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::io::AsyncWriteExt;
use tokio::time::Instant;
use tokio_rustls::rustls::{CommonState, HandshakeKind, ProtocolVersion};
use tokio_rustls::TlsStream;
use transport_core::{
    Backend, ConnInfo, Connection, Io, KeyExchange, NoIdentity, PeerIdentity, TransportError,
};

use super::count::Counted;
use super::opening::Opening;
use super::stream::TlsIo;
use crate::provider::key_exchange;
use crate::{explain, x509};

/// Bytes that rustls holds for a peer that does not read: four records.
pub(super) const BUFFER_BYTES: usize = 64 << 10;

/// A finished handshake, described.
pub(super) async fn established<I: Io>(
    mut stream: TlsStream<Opening<I>>,
    mut info: ConnInfo,
    started: Instant,
    no_identity: NoIdentity,
    mut counted: Counted,
) -> Result<Connection<TlsIo<I>>, TransportError> {
    let (_, session) = stream.get_ref();
    info.backend = Backend::Tls;
    info.steps.handshake = Some(started.elapsed());
    info.alpn = session.alpn_protocol().map(Box::from);
    info.resumed = session.handshake_kind() == Some(HandshakeKind::Resumed);
    let kx = session
        .negotiated_key_exchange_group()
        .map_or(KeyExchange::Other, |group| key_exchange(group.name()));
    info.kx = Some(kx);
    counted.agreed(kx, info.resumed);
    info.identity = identity(session, no_identity);
    let refused = if session.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
        Some(explain::old_version())
    } else if matches!(stream, TlsStream::Server(_)) && info.resumed && is_expired(session) {
        Some(explain::expired_since())
    } else {
        None
    };
    if let Some(error) = refused {
        let _ = stream.shutdown().await;
        return Err(error);
    }
    counted.succeeded();
    Ok(Connection::new(TlsIo::new(stream), info))
}

/// A resumed session brings the client's certificate along; nobody verifies it again.
fn is_expired(session: &CommonState) -> bool {
    let leaf = session.peer_certificates().and_then(|chain| chain.first());
    leaf.and_then(x509::not_after)
        .is_some_and(|not_after| not_after < SystemTime::now())
}

fn identity(session: &CommonState, none: NoIdentity) -> PeerIdentity {
    let leaf = session.peer_certificates().and_then(|chain| chain.first());
    match leaf.and_then(x509::identity) {
        Some(identity) => PeerIdentity::Verified(Arc::new(identity)),
        None => PeerIdentity::None(none),
    }
}
