//! A plain rustls peer that controls each segment it sends.

use std::io::{self, Read, Write};
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::Connection;
use tokio_rustls::TlsAcceptor;

use crate::pki::{Authority, SERVER};
use crate::versions::{connector, old_server};

/// One end of an established session.
pub(crate) struct Peer<I> {
    pub(crate) io: I,
    tls: Connection,
}

impl<I: AsyncRead + AsyncWrite + Unpin> Peer<I> {
    /// Returns after the last handshake message is written.
    ///
    /// No ticket has been read then.
    pub(crate) async fn connect(io: I, authority: &Authority) -> Self {
        let name = ServerName::try_from(SERVER).unwrap();
        let connecting = connector(authority, &[&TLS13]).connect(name, io);
        let (io, tls) = connecting.await.unwrap().into_inner();
        Self {
            io,
            tls: tls.into(),
        }
    }

    pub(crate) async fn accept(io: I, authority: &Authority) -> Self {
        let config = Arc::new(old_server(authority, true));
        let accepted = TlsAcceptor::from(config).accept(io).await;
        let (io, tls) = accepted.unwrap().into_inner();
        Self {
            io,
            tls: tls.into(),
        }
    }

    /// Encodes data as records, with `close_notify` if `last`.
    pub(crate) fn records(&mut self, data: &[u8], last: bool) -> Vec<u8> {
        self.tls.writer().write_all(data).unwrap();
        if last {
            self.tls.send_close_notify();
        }
        let mut records = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut records).unwrap();
        }
        records
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.io.write_all(bytes).await.unwrap();
        self.io.flush().await.unwrap();
    }

    /// Reads up to the other end's `close_notify`.
    pub(crate) async fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        let (mut data, mut raw) = (Vec::new(), [0; 4096]);
        loop {
            match self.tls.reader().read_to_end(&mut data) {
                Ok(_) => return Ok(data),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            let read = self.io.read(&mut raw).await?;
            let mut left = &raw[..read];
            loop {
                self.tls.read_tls(&mut left).unwrap();
                self.tls.process_new_packets().unwrap();
                if left.is_empty() {
                    break;
                }
            }
        }
    }
}
