//! Good and bad peers.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::Ordering;
use std::sync::PoisonError;
use std::time::Duration;

use ron_lab::client::{connect, echo, ended, frame, pattern, tls, Tls};
use rustix::net::sockopt::set_socket_linger;

use crate::load::{Load, STEADY_EVERY};
use crate::sites::{Kind, Site};

/// Message sizes: below a segment, several segments, a chunk, several chunks.
const SIZES: [usize; 5] = [1, 1000, 16 << 10, 64 << 10, 256 << 10];
/// Steady connections of a gateway, and the exchanges of each.
const STEADY: usize = 12;
const EXCHANGES: usize = 600;
/// The largest allowed frame.
const CEILING: usize = 1 << 20;

/// An established connection.
pub(crate) enum Peer {
    Plain(TcpStream),
    Secret(Box<Tls>),
}

impl Peer {
    fn open(load: &Load, site: &Site) -> io::Result<Self> {
        let conn = connect(site.gateway.addr)?;
        if site.kind == Kind::Tls {
            return Ok(Self::Secret(Box::new(tls(&load.tls, conn)?)));
        }
        Ok(Self::Plain(conn))
    }

    /// Sends bytes and waits for their echo; returns their number.
    fn exchange(&mut self, site: &Site, bytes: usize) -> io::Result<usize> {
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
    fn close(self, way: u64) -> io::Result<()> {
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

/// Connects, exchanges bytes, and disconnects.
pub(crate) fn churn(load: &Load, site: &Site, n: u64) -> Result<(), String> {
    let all = || {
        let mut peer = Peer::open(load, site)?;
        for turn in 0..=n % 3 {
            let size = SIZES[usize::try_from((n + turn) % 5).unwrap_or(0)];
            let bytes = peer.exchange(site, size)?;
            load.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        }
        load.conns.fetch_add(1, Ordering::Relaxed);
        if load.is_held(n) {
            let mut held = load.held.lock().unwrap_or_else(PoisonError::into_inner);
            held.push(peer);
            return Ok(());
        }
        peer.close(n / 3)
    };
    all().map_err(|e: io::Error| format!("connection {n}: {e}"))
}

/// Keeps connections with occasional exchanges, and replaces them after a minute's worth.
pub(crate) fn steady(load: &Load, site: &Site) -> Result<(), String> {
    let all = || {
        let peers = (0..STEADY).map(|_| Peer::open(load, site));
        let mut peers = peers.collect::<io::Result<Vec<_>>>()?;
        load.conns.fetch_add(STEADY as u64, Ordering::Relaxed);
        for turn in 0..EXCHANGES {
            let peer = &mut peers[turn % STEADY];
            let bytes = peer.exchange(site, SIZES[turn % SIZES.len()])?;
            load.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
            if load.is_over_within(STEADY_EVERY) {
                break;
            }
        }
        peers.into_iter().try_for_each(|peer| peer.close(2))
    };
    all().map_err(|e: io::Error| format!("a steady connection: {e}"))
}

/// Sends invalid bytes, and must be cut off.
///
/// On TCP every byte is valid: there the peer leaves in mid-transfer with the answer unread.
pub(crate) fn bad(load: &Load, site: &Site, n: u64) -> Result<(), String> {
    let mut conn = connect(site.gateway.addr).map_err(|e| format!("bad connection {n}: {e}"))?;
    load.bad.fetch_add(1, Ordering::Relaxed);
    let sent = match site.kind {
        Kind::Tcp => pattern(CEILING),
        Kind::Tls => b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        Kind::Frames => frame(CEILING + 1),
    };
    // The gateway may cut the connection inside the write.
    let _ = conn.write_all(&sent[..sent.len().min(4 << 10)]);
    match site.kind {
        Kind::Tcp => Ok(()),
        // An alert may arrive before the end.
        Kind::Tls => conn.read_to_end(&mut Vec::new()).map(drop).or_else(|e| {
            let is_end = e.kind() == io::ErrorKind::ConnectionReset;
            is_end
                .then_some(())
                .ok_or_else(|| format!("garbage is not cut off: {e}"))
        }),
        Kind::Frames if ended(&mut conn) => Ok(()),
        Kind::Frames => Err("a frame over the ceiling is not cut off".into()),
    }
}

/// Stays silent until the gateway ends the handshake or the connection.
pub(crate) fn silent(load: &Load, site: &Site) -> Result<(), String> {
    let conn = connect(site.gateway.addr).map_err(|e| format!("a silent connection: {e}"))?;
    load.bad.fetch_add(1, Ordering::Relaxed);
    let short = Duration::from_millis(500);
    let set = conn.set_read_timeout(Some(short));
    set.map_err(|e| e.to_string())?;
    // Longer than any deadline that ends it.
    for _ in 0..80 {
        match (&conn).read(&mut [0; 64]) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Ok(1..) => {}
            Ok(0) | Err(_) => return Ok(()),
        }
        if load.is_over_within(Duration::ZERO) {
            return Ok(());
        }
    }
    if load.is_held(0) {
        return Ok(());
    }
    Err("a silent connection is not ended".into())
}
