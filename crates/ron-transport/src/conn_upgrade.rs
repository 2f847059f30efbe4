//! The upgrade of an open connection to TLS (STARTTLS).

use transport_core::{Backend, ConnInfo, TransportError};

use crate::conn::Conn;
use crate::tls_upgrade::TlsUpgrade;

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
    /// - [`TransportError::Refused`] with `handshake_limit`: the handshake counts towards
    ///   `limits.max_pending_handshakes` and the peer's share, if the peer opened the connection.
    /// - [`TransportError::Config`] for an invalid server name.
    /// - [`TransportError::Tls`] for a failed handshake, [`TransportError::Timeout`] with
    ///   [`Op::Handshake`](crate::Op::Handshake), or the end of the connection.
    ///
    /// # Cancel safety
    /// Dropping the future aborts the connection.
    pub async fn upgrade_tls(self, tls: TlsUpgrade) -> Result<Self, TransportError> {
        check_plaintext(self.info())?;
        tls.check()?;
        self.into_stream().upgrade(tls).await.map(Self::new)
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
