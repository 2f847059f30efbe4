//! Two ends of an in-memory connection, each with a recorder.

use std::error::Error;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use transport_core::{Backend, Connection, Dialer, Listener, Pending, Target, TransportError};
use transport_testkit::{MemoryDialer, MemoryIo, MemoryListener, Recorder};
use transport_tls::raw::{TlsDialer, TlsIo, TlsListener};
use transport_tls::{ClientTls, PqMode, Reloadable, ServerTls};

use crate::pki::{self, Authority, Files, SERVER};

pub(crate) type End = Connection<TlsIo<MemoryIo>>;
pub(crate) type HandshakeResult = Result<End, TransportError>;

/// A listener and a dialer that connects to it.
pub(crate) struct Rig {
    pub(crate) listener: TlsListener<MemoryListener>,
    pub(crate) dialer: TlsDialer<MemoryDialer>,
    /// A peer without TLS.
    pub(crate) plain: MemoryDialer,
    pub(crate) accepts: Recorder,
    pub(crate) dials: Recorder,
}

impl Rig {
    pub(crate) fn new(server: &Reloadable<ServerTls>, client: &Reloadable<ClientTls>) -> Self {
        Self::over(MemoryListener::bind(Backend::Tcp), server, client)
    }

    pub(crate) fn over(
        (listener, plain): (MemoryListener, MemoryDialer),
        server: &Reloadable<ServerTls>,
        client: &Reloadable<ClientTls>,
    ) -> Self {
        let (accepts, dials) = (Recorder::new(), Recorder::new());
        Self {
            listener: TlsListener::over(listener, server, accepts.observer()),
            dialer: TlsDialer::over(plain.clone(), client, dials.observer()),
            plain,
            accepts,
            dials,
        }
    }

    /// Creates a server and a client that trusts it.
    pub(crate) fn plain(pq: PqMode) -> Self {
        let (files, _) = files();
        let server = pki::server(&files.server_config(), pq);
        Self::new(&server, &pki::client(&files.client_config(), pq))
    }

    /// Runs one handshake; returns both results, the server's first.
    pub(crate) async fn handshake(&mut self) -> (HandshakeResult, HandshakeResult) {
        let accept = async { self.listener.accept().await?.establish().await };
        let target = target();
        tokio::join!(accept, self.dialer.dial(&target))
    }

    /// Runs a handshake that must succeed; returns both ends.
    pub(crate) async fn connect(&mut self) -> (End, End) {
        let (server, client) = self.handshake().await;
        (server.unwrap(), client.unwrap())
    }

    /// Sends only these bytes; returns the server's error and its answer.
    pub(crate) async fn send_plain(&mut self, bytes: &[u8]) -> (TransportError, Vec<u8>) {
        let accept = async { self.listener.accept().await?.establish().await };
        let peer = async {
            let mut io = self.plain.dial(&target()).await.unwrap().io;
            // The server can fail before it has read every byte.
            let _ = io.write_all(bytes).await;
            let _ = io.shutdown().await;
            let mut answer = Vec::new();
            io.read_to_end(&mut answer).await.unwrap();
            answer
        };
        let (server, answer) = tokio::join!(accept, peer);
        (server.unwrap_err(), answer)
    }
}

pub(crate) fn target() -> Target {
    Target::host(SERVER, 443).unwrap()
}

/// Returns the files of a server and of its client.
///
/// The client trusts the server.
pub(crate) fn files() -> (Files, Authority) {
    let authority = Authority::new();
    let files = Files::new(&authority, &authority.leaf(&[SERVER]));
    (files, authority)
}

/// Returns the text of a TLS error.
///
/// Checks that the error has a source.
pub(crate) fn message(error: &TransportError) -> String {
    let TransportError::Tls { source, .. } = error else {
        panic!("a TLS failure was due, not: {error:?}");
    };
    assert_eq!(error.reason(), Some(transport_core::Reason::Tls));
    source.to_string()
}

/// As [`message`], for a failed handshake.
pub(crate) fn failure(shaken: HandshakeResult) -> String {
    let error = shaken.unwrap_err();
    let says = message(&error);
    assert!(
        error.source().and_then(Error::source).is_some(),
        "the cause is lost: {error:?}"
    );
    says
}

/// Returns the error of the first read.
pub(crate) async fn read_failure(end: &mut End) -> TransportError {
    end.io.read(&mut [0; 16]).await.unwrap_err().into()
}

/// Sends a byte in each direction.
pub(crate) async fn ping(a: &mut End, b: &mut End) {
    a.io.write_all(b"1").await.unwrap();
    a.io.flush().await.unwrap();
    b.io.read_exact(&mut [0; 1]).await.unwrap();
    b.io.write_all(b"2").await.unwrap();
    b.io.flush().await.unwrap();
    a.io.read_exact(&mut [0; 1]).await.unwrap();
}
