//! Clients of a gateway.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, SocketAddrV4, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::process::PATIENCE;
use rustix::net::{
    bind, connect as connect_socket, socket_with, AddressFamily, SocketFlags, SocketType,
};
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::Lab;

/// A TLS connection.
pub type Tls = StreamOwned<ClientConnection, TcpStream>;

/// Connects, with timeouts for reads and writes.
pub fn connect(to: SocketAddr) -> io::Result<TcpStream> {
    patient(TcpStream::connect_timeout(&to, PATIENCE)?)
}

/// Connects from an address of the loopback network.
pub fn connect_from(from: Ipv4Addr, to: SocketAddr) -> io::Result<TcpStream> {
    // A gateway that starts meanwhile must not inherit the socket: it would keep the connection open.
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    bind(&socket, &SocketAddrV4::new(from, 0))?;
    connect_socket(&socket, &to)?;
    patient(TcpStream::from(socket))
}

fn patient(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Returns the time until this many bytes are echoed.
pub fn ping(stream: &mut (impl Read + Write), bytes: usize) -> io::Result<Duration> {
    let sent = pattern(bytes);
    let started = Instant::now();
    echo(stream, &sent)?;
    Ok(started.elapsed())
}

/// Sends these bytes and waits for their echo.
pub fn echo(stream: &mut (impl Read + Write), sent: &[u8]) -> io::Result<()> {
    let mut back = vec![0; sent.len()];
    stream.write_all(sent)?;
    stream.flush()?;
    stream.read_exact(&mut back)?;
    if back == sent {
        return Ok(());
    }
    let what = "the echo differs from the sent bytes";
    Err(io::Error::new(ErrorKind::InvalidData, what))
}

/// Returns whether the peer ends the connection without sending anything.
pub fn ended(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0; 1]) {
        Ok(read) => read == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

/// Returns a frame with a body of this size.
pub fn frame(body: usize) -> Vec<u8> {
    let len = u32::try_from(body).unwrap_or(u32::MAX);
    [&len.to_be_bytes()[..], &pattern(body)].concat()
}

/// Sends a pattern, half-closes, and returns the number of echoed bytes.
///
/// Reads while it writes; fails unless the echo is equal.
pub fn round_trip(stream: &TcpStream, bytes: usize) -> io::Result<usize> {
    let sent = pattern(bytes);
    thread::scope(|scope| {
        let sending = scope.spawn(|| {
            let mut to = stream;
            to.write_all(&sent)
                .and_then(|()| to.shutdown(Shutdown::Write))
        });
        let (mut back, mut from) = (Vec::new(), stream);
        let read = from.read_to_end(&mut back);
        let wrote = sending.join();
        read?;
        wrote.map_err(|_| io::Error::other("the sender panicked"))??;
        if back == sent {
            return Ok(back.len());
        }
        let what = format!("{} of {bytes} bytes echoed", back.len());
        Err(io::Error::new(ErrorKind::InvalidData, what))
    })
}

/// Writes the same bytes to every connection until `over`, and reads nothing.
///
/// The connections are non-blocking; one that has ended is skipped.
pub fn flood<C: Write>(conns: &mut [C], bytes: &[u8], over: &AtomicBool) {
    const PIECE: usize = 256 << 10;
    const PAUSE: Duration = Duration::from_millis(2);
    let mut offsets = vec![Some(0); conns.len()];
    while !over.load(Ordering::Relaxed) {
        for (conn, offset) in conns.iter_mut().zip(&mut offsets) {
            let Some(at) = *offset else {
                continue;
            };
            let piece = &bytes[at..bytes.len().min(at + PIECE)];
            *offset = match conn.write(piece) {
                Ok(written) => Some((at + written) % bytes.len()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => Some(at),
                Err(_) => None,
            };
        }
        thread::sleep(PAUSE);
    }
}

/// Returns bytes whose period is no power of two.
pub fn pattern(len: usize) -> Vec<u8> {
    let mut bytes = (0..=250).collect::<Vec<u8>>().repeat(len / 251 + 1);
    bytes.truncate(len);
    bytes
}

/// Returns a TLS client configuration that trusts the lab's authority.
pub fn tls_config(lab: &Lab) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    let ca = CertificateDer::from_pem_file(lab.pki.cert("ca")).map_err(|e| e.to_string())?;
    roots.add(ca).map_err(|e| e.to_string())?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_protocol_versions(&[&TLS13]);
    let builder = builder.map_err(|e| e.to_string())?;
    Ok(Arc::new(
        builder.with_root_certificates(roots).with_no_client_auth(),
    ))
}

/// Completes a TLS handshake as a client of `localhost`.
pub fn tls(config: &Arc<ClientConfig>, mut stream: TcpStream) -> io::Result<Tls> {
    let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
    let conn = ClientConnection::new(Arc::clone(config), name);
    let mut conn = conn.map_err(io::Error::other)?;
    while conn.is_handshaking() {
        conn.complete_io(&mut stream)?;
    }
    Ok(StreamOwned::new(conn, stream))
}
