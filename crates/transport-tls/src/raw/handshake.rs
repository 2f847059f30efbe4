//! The part of a handshake that servers and clients share.
//!
//! Metrics, checks and errors.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::time::Instant;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::{CommonState, Error, HandshakeKind, ProtocolVersion};
use tokio_rustls::TlsStream;
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
use crate::identity;
use crate::peers::PeerCheck;
use crate::provider::{cipher_name, key_exchange, requires_pq};
use crate::resume::ConnSessionStore;
use crate::x509;

/// Maximum of bytes that rustls buffers for a peer.
///
/// Four records, for a peer that does not read.
pub(super) const BUFFER_BYTES: usize = 64 << 10;

/// A handshake in progress on a raw connection.
pub(super) struct PendingHandshake {
    dialed: bool,
    info: Arc<ConnInfo>,
    started: Instant,
    metrics: HandshakeMetrics,
}

impl PendingHandshake {
    pub(super) fn start(dialed: bool, info: Arc<ConnInfo>, observer: &Arc<dyn Observer>) -> Self {
        Self {
            dialed,
            info,
            started: Instant::now(),
            metrics: HandshakeMetrics::start(observer),
        }
    }

    /// Describes the established connection, after checks that rustls does not make.
    ///
    /// # Errors
    /// Returns the session if it is older than TLS 1.3, or resumed by a peer that is no longer
    /// accepted.
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
        let server_name = match stream {
            TlsStream::Server(stream) => stream.get_ref().1.server_name().map(Box::from),
            TlsStream::Client(_) => None,
        };
        let (io, state) = stream.get_mut();
        io.finish_handshake();
        let state: &CommonState = state;
        let details = Arc::make_mut(&mut info);
        details.backend = Backend::Tls;
        details.steps.set_handshake(started.elapsed());
        details.server_name = server_name;
        details.cipher = state
            .negotiated_cipher_suite()
            .and_then(|cipher| cipher_name(cipher.suite()));
        details.alpn = state.alpn_protocol().map(Box::from);
        details.resumed = state.handshake_kind() == Some(HandshakeKind::Resumed);
        let kx = state
            .negotiated_key_exchange_group()
            .map_or(KeyExchange::Other, |group| key_exchange(group.name()));
        details.kx = Some(kx);
        metrics.negotiated(kx, details.resumed);
        details.identity = peer_identity(state, no_identity, peers);
        let rejection = if state.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
            Some(explain::old_version())
        } else if info.resumed && has_expired(state) {
            Some(explain::expired_since(dialed))
        } else if info.resumed {
            judge_resumed(state, peers).map(|error| explain::resumed(&error, dialed))
        } else {
            None
        };
        if let Some(error) = rejection {
            return Err(RejectedSession(error, session));
        }
        if let Some(sessions) = sessions {
            sessions.established(info.resumed, state.peer_certificates().unwrap_or_default());
        }
        metrics.succeeded();
        Ok(Connection::new(TlsIo::new(session), info))
    }

    /// Ends a failed handshake, and returns its error.
    ///
    /// The error has no names of the peer if `private`. An end of stream before the client's first
    /// byte is not a failed handshake and is not counted.
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
        let error = match explain::closed_before_start(error, &context) {
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

/// A session that rustls accepted and this crate rejects, with the error.
pub(super) struct RejectedSession<I>(TransportError, TlsSession<I>);

impl<I: Io> RejectedSession<I> {
    /// Closes the session with `close_notify`.
    pub(super) async fn close(self) -> TransportError {
        let Self(error, session) = self;
        lingering_close(TlsIo::new(session)).await;
        error
    }
}

/// Returns whether a certificate of a resumed session has expired.
///
/// rustls does not verify the chain of a resumed session again. Our own tickets and caches expire
/// earlier; those of [`ServerTls::from_rustls`](crate::ServerTls::from_rustls) may not.
fn has_expired(session: &CommonState) -> bool {
    let now = SystemTime::now();
    let mut chain = session.peer_certificates().unwrap_or_default().iter();
    chain.any(|certificate| x509::is_expired(certificate, now))
}

/// Applies the current rules to the certificates of a resumed session.
fn judge_resumed(session: &CommonState, peers: Option<&PeerCheck>) -> Option<Error> {
    let presented = session.peer_certificates().unwrap_or_default();
    peers?.judge_resumed(presented).err()
}

fn peer_identity(
    session: &CommonState,
    none: NoIdentity,
    peers: Option<&PeerCheck>,
) -> PeerIdentity {
    let verified = || {
        let presented = session.peer_certificates()?;
        let leaf = presented.first()?;
        let chain = match peers {
            Some(peers) => peers.chain(presented),
            // The embedder's own verifier: only the leaf is known, not the path.
            None => CertificateChain::from_iter([leaf.as_ref()]),
        };
        identity::identity(leaf, chain)
    };
    match verified() {
        Some(identity) => PeerIdentity::Verified(Arc::new(identity)),
        None => PeerIdentity::None(none),
    }
}
