//! Clients over TCP and TLS.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;

use ron_lab::client::{connect, connect_from, echo, tls, tls_config, Tls};
use ron_lab::{Lab, Start};
use tokio_rustls::rustls::ClientConfig;

/// The size of an exchange, the unit of all figures.
pub(crate) const BYTES: usize = 64 << 10;

/// The protocol of the clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Tcp,
    Tls,
}

impl Kind {
    pub(crate) const ALL: [Self; 2] = [Self::Tcp, Self::Tls];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }

    /// Returns a start of the gateway with this protocol and the preset.
    pub(crate) fn start(self, lab: &Lab, of: Start) -> Start {
        let of = of.args(["--transport.preset", "edge"]);
        match self {
            Self::Tcp => of,
            Self::Tls => of.tls(&lab.pki.cert("server"), &lab.pki.key("server")),
        }
    }
}

/// A connection over TCP or TLS.
pub(crate) trait Conn: Read + Write + Send {
    /// Makes writes non-blocking.
    fn unblock(&self) -> io::Result<()>;
}

impl Conn for TcpStream {
    fn unblock(&self) -> io::Result<()> {
        self.set_nonblocking(true)
    }
}

impl Conn for Tls {
    fn unblock(&self) -> io::Result<()> {
        self.sock.set_nonblocking(true)
    }
}

/// Opens connections of one protocol to one address.
#[derive(Clone)]
pub(crate) struct Client {
    to: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
}

impl Client {
    pub(crate) fn new(lab: &Lab, kind: Kind, to: SocketAddr) -> Result<Self, String> {
        let tls = (kind == Kind::Tls).then(|| tls_config(lab)).transpose()?;
        Ok(Self { to, tls })
    }

    pub(crate) fn open(&self) -> io::Result<Box<dyn Conn>> {
        self.open_on(connect(self.to)?)
    }

    /// Opens a connection from one of many addresses.
    pub(crate) fn open_from(&self, peer: u8) -> io::Result<Box<dyn Conn>> {
        self.open_on(connect_from(Ipv4Addr::new(127, 0, 2, peer), self.to)?)
    }

    fn open_on(&self, conn: TcpStream) -> io::Result<Box<dyn Conn>> {
        match &self.tls {
            Some(config) => Ok(Box::new(tls(config, conn)?)),
            None => Ok(Box::new(conn)),
        }
    }
}

/// Exchanges this many times.
pub(crate) fn exchange(mut conn: &mut dyn Conn, sent: &[u8], times: u32) -> Result<(), String> {
    let done = (0..times).try_for_each(|_| echo(&mut conn, sent));
    done.map_err(|e| format!("an exchange: {e}"))
}
