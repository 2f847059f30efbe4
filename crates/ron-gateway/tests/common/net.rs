//! Clients.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::thread;

use tokio::net::TcpSocket;

use super::PATIENCE;

/// Connects, with timeouts for reads and writes.
pub(crate) fn connect(to: SocketAddr) -> TcpStream {
    patient(TcpStream::connect_timeout(&to, PATIENCE).unwrap())
}

/// As [`connect`]; `None` if the peer resets at once.
pub(crate) fn connect_unless_reset(to: SocketAddr) -> Option<TcpStream> {
    match TcpStream::connect_timeout(&to, PATIENCE) {
        Ok(stream) => Some(patient(stream)),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => None,
        Err(error) => panic!("{to}: {error}"),
    }
}

/// Returns whether the peer ends a new connection.
pub(crate) fn refuses(to: SocketAddr) -> bool {
    connect_unless_reset(to).map_or(true, |mut stream| ended(&mut stream))
}

/// Returns a runtime with the drivers that tokio's sockets need.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_io().build().unwrap()
}

/// A connection from one of the addresses of the loopback network.
pub(crate) fn connect_from(from: IpAddr, to: SocketAddr) -> TcpStream {
    let stream = runtime().block_on(async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(from, 0)).unwrap();
        socket.connect(to).await.unwrap().into_std().unwrap()
    });
    stream.set_nonblocking(false).unwrap();
    patient(stream)
}

/// Binds a port that refuses connections until its socket listens.
pub(crate) fn bound_to_nothing() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let addr = socket.local_addr().unwrap();
    (socket, addr)
}

fn patient(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Whether what is sent comes back.
pub(crate) fn echoes(stream: &mut TcpStream) -> bool {
    let sent = b"still there?";
    let mut back = [0; 12];
    stream.write_all(sent).is_ok() && stream.read_exact(&mut back).is_ok() && back == *sent
}

/// Whether the other side ends the connection without sending anything.
pub(crate) fn ended(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0; 1]) {
        Ok(read) => read == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

/// Returns whether the peer resets the connection.
pub(crate) fn aborted(stream: &mut TcpStream) -> bool {
    let read = stream.read(&mut [0; 1]);
    read.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset)
}

/// Reads to the end.
pub(crate) fn read_all(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

/// Sends everything, half-closes, and returns what came back, reading meanwhile.
pub(crate) fn round_trip(mut stream: TcpStream, bytes: &[u8]) -> Vec<u8> {
    let mut reader = stream.try_clone().unwrap();
    thread::scope(|scope| {
        let reading = scope.spawn(move || read_all(&mut reader));
        stream.write_all(bytes).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        reading.join().unwrap()
    })
}

/// Bytes without a short period.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    let mut state: u64 = 0x2545_f491_4f6c_dd1d;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> = std::iter::from_fn(|| Some(next()))
        .take(len / 8 + 1)
        .flatten()
        .collect();
    bytes.truncate(len);
    bytes
}
