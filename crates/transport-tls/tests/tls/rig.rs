//! Two ends of a connection in memory, each with what it counts.

use std::error::Error;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use transport_core::{Backend, Connection, Dialer, Listener, Pending, Target, TransportError};
use transport_testkit::{MemoryDialer, MemoryIo, MemoryListener, Recorder};
use transport_tls::raw::{TlsDialer, TlsIo, TlsListener};
use transport_tls::{ClientTls, PqMode, Reloadable, ServerTls};

use crate::pki::{self, Authority, Files, SERVER};

pub(crate) type End = Connection<TlsIo<MemoryIo>>;
pub(crate) type Shaken = Result<End, TransportError>;

/// A listener and a dialer that reaches it.
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

    /// A server and a client that trusts it.
    pub(crate) fn plain(pq: PqMode) -> Self {
        let (files, _) = files();
        let server = pki::server(&files.server_config(), pq);
        Self::new(&server, &pki::client(&files.client_config(), pq))
    }

    /// Both ends of one handshake, the server's first.
    pub(crate) async fn shake(&mut self) -> (Shaken, Shaken) {
        let accept = async { self.listener.accept().await?.establish().await };
        let target = target();
        tokio::join!(accept, self.dialer.dial(&target))
    }

    /// Both ends of a handshake that succeeds.
    pub(crate) async fn connect(&mut self) -> (End, End) {
        let (server, client) = self.shake().await;
        (server.unwrap(), client.unwrap())
    }

    /// What the server makes of a peer that sends these bytes and no more, and what the peer gets
    /// back.
    pub(crate) async fn send_plain(&mut self, bytes: &[u8]) -> (TransportError, Vec<u8>) {
        let accept = async { self.listener.accept().await?.establish().await };
        let peer = async {
            let mut io = self.plain.dial(&target()).await.unwrap().io;
            // The server may have enough before it has read them all.
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

/// The files of a server and of a client that trusts it.
pub(crate) fn files() -> (Files, Authority) {
    let authority = Authority::new();
    let files = Files::new(&authority, &authority.leaf(&[SERVER]));
    (files, authority)
}

/// The sentence of a TLS failure; its source is there too.
pub(crate) fn says(error: &TransportError) -> String {
    let TransportError::Tls { source, .. } = error else {
        panic!("a TLS failure was due, not: {error:?}");
    };
    assert_eq!(error.reason(), Some(transport_core::Reason::Tls));
    source.to_string()
}

/// As [`says`], of a handshake that failed.
pub(crate) fn failure(shaken: Shaken) -> String {
    let error = shaken.unwrap_err();
    let says = says(&error);
    assert!(
        error.source().and_then(Error::source).is_some(),
        "the cause is lost: {error:?}"
    );
    says
}

/// The failure that the first read of an end meets.
pub(crate) async fn read_failure(end: &mut End) -> TransportError {
    end.io.read(&mut [0; 16]).await.unwrap_err().into()
}

/// Carries a byte each way.
pub(crate) async fn ping(a: &mut End, b: &mut End) {
    a.io.write_all(b"1").await.unwrap();
    a.io.flush().await.unwrap();
    b.io.read_exact(&mut [0; 1]).await.unwrap();
    b.io.write_all(b"2").await.unwrap();
    b.io.flush().await.unwrap();
    a.io.read_exact(&mut [0; 1]).await.unwrap();
}
