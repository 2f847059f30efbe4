//! What both ends of a handshake have in common: how it is counted, described and explained.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::time::Instant;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::{CommonState, Error, HandshakeKind, ProtocolVersion};
use transport_core::{
    Backend, CertificateChain, ConnInfo, Connection, Io, KeyExchange, NoIdentity, Observer,
    PeerIdentity, TransportError,
};

use super::handshake_io::HandshakeIo;
use super::lingering_close::lingering_close;
use super::metrics::HandshakeMetrics;
use super::stream::TlsIo;
use super::tls_session::TlsSession;
use crate::explain::{self, FailureContext};
use crate::hello::agreed_group;
use crate::peers::PeerCheck;
use crate::provider::{key_exchange, requires_pq};
use crate::resume::ConnSessionStore;
use crate::x509;

/// Bytes that rustls holds for a peer that does not read: four records.
pub(super) const BUFFER_BYTES: usize = 64 << 10;

/// A handshake under way, on a raw connection.
pub(super) struct PendingHandshake {
    dialed: bool,
    info: Arc<ConnInfo>,
    started: Instant,
    metrics: HandshakeMetrics,
}

impl PendingHandshake {
    pub(super) fn begin(dialed: bool, info: Arc<ConnInfo>, observer: &Arc<dyn Observer>) -> Self {
        Self {
            dialed,
            info,
            started: Instant::now(),
            metrics: HandshakeMetrics::begin(observer),
        }
    }

    /// It is over: describes the connection, and refuses what rustls lets pass and we do not.
    pub(super) fn succeeded<I: Io>(
        self,
        mut session: TlsSession<I>,
        no_identity: NoIdentity,
        peers: Option<&PeerCheck>,
        sessions: Option<&ConnSessionStore>,
    ) -> Result<Connection<TlsIo<I>>, RejectedSession<I>> {
        let Self {
            dialed,
            mut info,
            started,
            mut metrics,
        } = self;
        let stream = match session.stream() {
            Ok(stream) => stream,
            Err(error) => return Err(RejectedSession(TransportError::Io(error), session)),
        };
        let (opening, state) = stream.get_mut();
        opening.forget_prefixes();
        let state: &CommonState = state;
        let details = Arc::make_mut(&mut info);
        details.backend = Backend::Tls;
        details.steps.handshake = Some(started.elapsed());
        details.alpn = state.alpn_protocol().map(Box::from);
        details.resumed = state.handshake_kind() == Some(HandshakeKind::Resumed);
        let kx = state
            .negotiated_key_exchange_group()
            .map_or(KeyExchange::Other, |group| key_exchange(group.name()));
        details.kx = Some(kx);
        metrics.negotiated(kx, details.resumed);
        details.identity = identity(state, no_identity, peers);
        let refused = if state.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
            Some(explain::old_version())
        } else if info.resumed && has_expired(state) {
            Some(explain::expired_since(dialed))
        } else if info.resumed {
            judge_resumed(state, peers).map(|error| explain::resumed(&error, dialed))
        } else {
            None
        };
        if let Some(error) = refused {
            return Err(RejectedSession(error, session));
        }
        if let Some(sessions) = sessions {
            sessions.established(info.resumed, state.peer_certificates().unwrap_or_default());
        }
        metrics.succeeded();
        Ok(Connection::new(TlsIo::new(session), info))
    }

    /// Explains a failed handshake, to us and to the peer; without names of the peer where `private`.
    /// An end before the client's first byte is no failed handshake, and is not counted as one.
    pub(super) async fn failed<I: Io>(
        self,
        error: io::Error,
        mut io: HandshakeIo<I>,
        provider: &CryptoProvider,
        private: bool,
    ) -> TransportError {
        let (dialed, mut metrics) = (self.dialed, self.metrics);
        let prefixes = io.take_prefixes();
        let context = FailureContext {
            dialed,
            private,
            requires_pq: requires_pq(provider),
            first_bytes: prefixes.received.bytes(),
        };
        let error = match explain::unbegun(error, &context) {
            Ok(end) => {
                metrics.discard();
                return end;
            }
            Err(error) => error,
        };
        let hello = if dialed {
            &prefixes.received
        } else {
            &prefixes.sent
        };
        if let Some(group) = agreed_group(hello.bytes()) {
            metrics.negotiated(key_exchange(group), false);
        }
        drop(metrics);
        let error = explain::handshake(error, &context);
        lingering_close(io).await;
        error
    }
}

/// A session that rustls takes and we do not, and why.
pub(super) struct RejectedSession<I>(TransportError, TlsSession<I>);

impl<I: Io> RejectedSession<I> {
    /// Ends it in order.
    pub(super) async fn close(self) -> TransportError {
        let Self(error, session) = self;
        lingering_close(TlsIo::new(session)).await;
        error
    }
}

/// Whether a certificate that the peer sent has expired. Nothing verifies the chain of a resumed
/// session again. Our own tickets and stores end before that; those of
/// [`ServerTls::from_rustls`](crate::ServerTls::from_rustls) may not.
fn has_expired(session: &CommonState) -> bool {
    let now = SystemTime::now();
    let mut chain = session.peer_certificates().unwrap_or_default().iter();
    chain.any(|certificate| x509::is_expired(certificate, now))
}

/// Judges the certificates of a resumed session by the rules in force now. Our own tickets and
/// stores end with the rules that they were made under.
fn judge_resumed(session: &CommonState, peers: Option<&PeerCheck>) -> Option<Error> {
    let presented = session.peer_certificates().unwrap_or_default();
    peers?.judge_resumed(presented).err()
}

fn identity(session: &CommonState, none: NoIdentity, peers: Option<&PeerCheck>) -> PeerIdentity {
    let verified = || {
        let presented = session.peer_certificates()?;
        let leaf = presented.first()?;
        let chain = match peers {
            Some(peers) => peers.chain(presented),
            // A verifier of the embedder's own: its path is not known, its leaf is.
            None => CertificateChain::from_iter([leaf.as_ref()]),
        };
        x509::identity(leaf, chain)
    };
    match verified() {
        Some(identity) => PeerIdentity::Verified(Arc::new(identity)),
        None => PeerIdentity::None(none),
    }
}
