//! One connection to a gateway.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use ron_lab::client::{connect, echo, frame, pattern, tls, Tls};
use ron_lab::process::PATIENCE;
use rustix::net::sockopt::set_socket_linger;
use tokio_rustls::rustls::ClientConfig;

use crate::sites::{Kind, Site};

/// The longest message to a Unix socket before its echo is read.
const LOCAL_PIECE: usize = 32 << 10;

/// An established connection.
pub(crate) enum Peer {
    Plain(TcpStream),
    Local(UnixStream),
    Secret(Box<Tls>),
}

impl Peer {
    /// Connects; `n` selects the address that a PROXY header announces.
    pub(crate) fn open(config: &Arc<ClientConfig>, site: &Site, n: u64) -> io::Result<Self> {
        if site.kind == Kind::Uds {
            return open_local(site).map(Self::Local);
        }
        let mut conn = connect(site.gateway.addr)?;
        match site.kind {
            Kind::Tls => return Ok(Self::Secret(Box::new(tls(config, conn)?))),
            Kind::Proxy => conn.write_all(header(n).as_bytes())?,
            Kind::Tcp | Kind::Frames | Kind::Uds => {}
        }
        Ok(Self::Plain(conn))
    }

    /// Sends bytes and waits for their echo; returns their number.
    pub(crate) fn exchange(&mut self, site: &Site, bytes: usize) -> io::Result<usize> {
        let sent = match site.kind {
            Kind::Frames => frame(bytes),
            Kind::Tcp | Kind::Tls | Kind::Uds | Kind::Proxy => pattern(bytes),
        };
        match self {
            Self::Plain(conn) => echo(conn, &sent)?,
            // The buffers of a Unix socket hold less than the longest message: without reads, both
            // ends would wait.
            Self::Local(conn) => sent
                .chunks(LOCAL_PIECE)
                .try_for_each(|piece| echo(conn, piece))?,
            Self::Secret(conn) => echo(conn, &sent)?,
        }
        Ok(sent.len())
    }

    fn socket(&self) -> BorrowedFd<'_> {
        match self {
            Self::Plain(conn) => conn.as_fd(),
            Self::Local(conn) => conn.as_fd(),
            Self::Secret(conn) => conn.get_ref().as_fd(),
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
            (_, Self::Local(mut conn)) => {
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

/// Connects to a Unix socket, with timeouts for reads and writes.
pub(crate) fn open_local(site: &Site) -> io::Result<UnixStream> {
    let conn = UnixStream::connect(&site.gateway.listen)?;
    conn.set_read_timeout(Some(PATIENCE))?;
    conn.set_write_timeout(Some(PATIENCE))?;
    Ok(conn)
}

/// A PROXY header of version 1 from one of 4096 addresses.
fn header(n: u64) -> String {
    let (high, low) = (n / 256 % 16, n % 256);
    format!("PROXY TCP4 10.1.{high}.{low} 127.0.0.1 40000 80\r\n")
}
