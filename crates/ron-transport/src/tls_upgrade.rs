//! Upgrade of an open connection to TLS (STARTTLS).

use std::sync::Arc;

use transport_core::{Backend, ConnInfo, Connection, Io, TransportError};
use transport_limits::GuardedIo;
use transport_tls::raw::{accept_over, ClientOver};
use transport_tls::{ClientOptions, ClientTls, ServerTls};

use crate::conn::Conn;

/// The side and the credentials of an upgrade to TLS; see [`Conn::upgrade_tls`].
#[derive(Debug, Clone)]
pub struct TlsUpgrade(UpgradeSide);

#[derive(Debug, Clone)]
enum UpgradeSide {
    Server(Arc<ServerTls>),
    Client(Arc<ClientTls>, ClientOptions),
}

impl TlsUpgrade {
    /// Runs the server's side of the handshake.
    ///
    /// [`Transport::server_tls`](crate::Transport::server_tls) returns the configuration of `tls.*`.
    pub fn server(tls: impl Into<Arc<ServerTls>>) -> Self {
        Self(UpgradeSide::Server(tls.into()))
    }

    /// Runs the client's side of the handshake; the server must prove this name.
    ///
    /// [`Transport::client_tls`](crate::Transport::client_tls) returns the configuration of
    /// `tls_client.*`. Its `sni_override` does not apply.
    pub fn client(tls: impl Into<Arc<ClientTls>>, server_name: impl Into<String>) -> Self {
        let options = ClientOptions::new().with_server_name(server_name);
        Self::client_with(tls, options)
    }

    /// As [`client`](Self::client), with protocols, a certificate or the configured server name.
    pub fn client_with(tls: impl Into<Arc<ClientTls>>, options: ClientOptions) -> Self {
        Self(UpgradeSide::Client(tls.into(), options))
    }
}

impl Conn {
    /// Makes a TLS connection of a plaintext connection, in place.
    ///
    /// A protocol with STARTTLS, such as SMTP or PostgreSQL, first agrees on the upgrade in
    /// plaintext; then both sides call this. The connection keeps its place, its number, its
    /// [`Control`](crate::Control), its byte counts, its deadlines, its rates and its part in a
    /// drain. The handshake has `handshake_timeout`; meanwhile the connection is busy. Afterwards
    /// [`info`](Self::info) has the identity, the protocol and the key exchange, and keeps its
    /// backend, as do its metrics and log events. The byte counts have the plaintext of both phases
    /// and not the handshake.
    ///
    /// **Buffered bytes.** Bytes that this side has not read belong to the handshake, also if they
    /// came in the same segment as the request to upgrade. A command in plaintext that an attacker
    /// has put behind that request therefore breaks the handshake and never passes for a command
    /// inside of TLS (CVE-2011-0411). Read the request without a buffer of your own, or byte by
    /// byte. If you read through a buffer such as `BufReader`, end the connection when the buffer
    /// holds bytes behind the request: a correct client sends none before it has the answer.
    ///
    /// ```no_run
    /// use ron_transport::{Conn, TlsUpgrade, TransportError, tls::ServerTls};
    /// use std::sync::Arc;
    /// use tokio::io::{AsyncReadExt, AsyncWriteExt};
    ///
    /// /// Answers the SSLRequest of PostgreSQL.
    /// async fn start(mut conn: Conn, tls: Arc<ServerTls>) -> Result<Conn, TransportError> {
    ///     let mut request = [0; 8];
    ///     conn.read_exact(&mut request).await?;
    ///     conn.write_all(b"S").await?;
    ///     conn.upgrade_tls(TlsUpgrade::server(tls)).await
    /// }
    /// ```
    ///
    /// # Errors
    /// Every error ends the connection.
    /// - [`TransportError::Unsupported`] for a connection over TLS or Tor, which is encrypted.
    /// - [`TransportError::State`] for a connection that was upgraded before, that is half-closed,
    ///   or with an unfinished write. [`into_framed`](Self::into_framed) comes after the upgrade.
    /// - [`TransportError::Config`] for an invalid server name.
    /// - [`TransportError::Tls`] for a failed handshake, [`TransportError::Timeout`] with
    ///   [`Op::Handshake`](crate::Op::Handshake), or the end of the connection.
    ///
    /// # Cancel safety
    /// Dropping the future aborts the connection.
    pub async fn upgrade_tls(self, tls: TlsUpgrade) -> Result<Self, TransportError> {
        check_plaintext(self.info())?;
        if let UpgradeSide::Client(_, options) = &tls.0 {
            options.check()?;
        }
        self.into_stream().upgrade(tls).await
    }
}

fn check_plaintext(info: &ConnInfo) -> Result<(), TransportError> {
    let encrypted = match info.backend {
        Backend::Tls => "tls",
        Backend::Arti => "tor",
        _ => return Ok(()),
    };
    Err(TransportError::Unsupported {
        what: format!("an upgrade to TLS of a connection over {encrypted}: it is encrypted"),
    })
}

/// Upgrades the guarded stream of any backend.
pub(crate) async fn upgrade<I: Io>(
    guarded: GuardedIo<I>,
    tls: TlsUpgrade,
) -> Result<Conn, TransportError> {
    // Erased here, so that an upgraded stream has one type and not an endless chain of types.
    let upgraded = guarded.upgrade(|raw, observer| async move {
        let raw: Connection<Box<dyn Io>> = raw.map(|io| Box::new(io) as _);
        match tls.0 {
            UpgradeSide::Server(tls) => accept_over(raw, &tls, &observer).await,
            UpgradeSide::Client(tls, options) => {
                let over = ClientOver::new(&tls, &options)?;
                over.connect(raw, &observer).await
            }
        }
    });
    upgraded.await.map(Conn::new)
}
