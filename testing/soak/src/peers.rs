//! The peers, good and bad.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::Ordering;
use std::sync::PoisonError;
use std::time::Duration;

use ron_lab::client::{connect, echo, ended, frame, pattern, tls, Tls};
use rustix::net::sockopt::set_socket_linger;

use crate::load::{Load, STEADY_EVERY};
use crate::sites::{Kind, Site};

/// What is sent at a time: less than a segment, several, a chunk, several.
const SIZES: [usize; 5] = [1, 1000, 16 << 10, 64 << 10, 256 << 10];
/// Steady connections of a gateway, and how many exchanges each of them lives for.
const STEADY: usize = 12;
const EXCHANGES: usize = 600;
/// The largest frame that is allowed.
const CEILING: usize = 1 << 20;

/// A connection that is established.
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

    /// There and back; what it was.
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

    /// Ends it in one of the ways there are.
    fn close(self, way: u64) -> io::Result<()> {
        match (way % 4, self) {
            // A reset.
            (0, peer) => set_socket_linger(peer.socket(), Some(Duration::ZERO))?,
            // Cut off: over TLS without `close_notify`.
            (1, peer) => drop(peer),
            // As it should be, and everything that still comes is read.
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

/// Comes, exchanges something, and goes.
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

/// Some that stay, exchange something now and then, and are replaced after a minute's worth.
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

/// One that sends what it must not, and must be cut off for it; on TCP, where nothing is forbidden,
/// one that leaves in the middle of what it sends, with the answer unread.
pub(crate) fn bad(load: &Load, site: &Site, n: u64) -> Result<(), String> {
    let mut conn = connect(site.gateway.addr).map_err(|e| format!("bad connection {n}: {e}"))?;
    load.bad.fetch_add(1, Ordering::Relaxed);
    let sent = match site.kind {
        Kind::Tcp => pattern(CEILING),
        Kind::Tls => b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        Kind::Frames => frame(CEILING + 1),
    };
    // It may be cut off in the middle of it.
    let _ = conn.write_all(&sent[..sent.len().min(4 << 10)]);
    match site.kind {
        Kind::Tcp => Ok(()),
        // An alert may come before the end.
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

/// One that says nothing; the gateway ends it, the handshake or the connection.
pub(crate) fn silent(load: &Load, site: &Site) -> Result<(), String> {
    let conn = connect(site.gateway.addr).map_err(|e| format!("a silent connection: {e}"))?;
    load.bad.fetch_add(1, Ordering::Relaxed);
    let short = Duration::from_millis(500);
    let set = conn.set_read_timeout(Some(short));
    set.map_err(|e| e.to_string())?;
    // Longer than any deadline that ends it here.
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
