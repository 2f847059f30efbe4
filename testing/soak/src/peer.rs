//! One connection to a gateway.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use ron_lab::client::{connect, echo, frame, pattern, tls, Tls};
use rustix::net::sockopt::set_socket_linger;
use tokio_rustls::rustls::ClientConfig;

use crate::sites::{Kind, Site};

/// An established connection.
pub(crate) enum Peer {
    Plain(TcpStream),
    Secret(Box<Tls>),
}

impl Peer {
    pub(crate) fn open(config: &Arc<ClientConfig>, site: &Site) -> io::Result<Self> {
        let conn = connect(site.gateway.addr)?;
        if site.kind == Kind::Tls {
            return Ok(Self::Secret(Box::new(tls(config, conn)?)));
        }
        Ok(Self::Plain(conn))
    }

    /// Sends bytes and waits for their echo; returns their number.
    pub(crate) fn exchange(&mut self, site: &Site, bytes: usize) -> io::Result<usize> {
        let sent = match site.kind {
            Kind::Frames => frame(bytes),
            Kind::Tcp | Kind::Tls => pattern(bytes),
        };
        match self {
            Self::Plain(conn) => echo(conn, &sent)?,
            Self::Secret(conn) => echo(conn, &sent)?,
        }
        Ok(sent.len())
    }

    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(conn) => conn,
            Self::Secret(conn) => conn.get_ref(),
        }
    }

    /// Ends the connection in one of the possible ways.
    pub(crate) fn close(self, way: u64) -> io::Result<()> {
        match (way % 4, self) {
            // A reset.
            (0, peer) => set_socket_linger(peer.socket(), Some(Duration::ZERO))?,
            // Cut off: with TLS, without `close_notify`.
            (1, peer) => drop(peer),
            // In order: all remaining bytes are read.
            (_, Self::Plain(mut conn)) => {
                conn.shutdown(Shutdown::Write)?;
                conn.read_to_end(&mut Vec::new())?;
            }
            (_, Self::Secret(mut conn)) => {
                conn.conn.send_close_notify();
                conn.flush()?;
                conn.sock.shutdown(Shutdown::Write)?;
                conn.read_to_end(&mut Vec::new())?;
            }
        }
        Ok(())
    }
}
