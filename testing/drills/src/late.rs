//! An upstream that answers after a requested delay, and its client.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use ron_lab::client::{pattern, Tls};

/// The first byte of a request; no [`pattern`] contains it.
const ASK: u8 = 255;
/// [`ASK`], milliseconds as `u16`, bytes as `u32`.
const QUESTION: usize = 7;
const BLOCK: usize = 16 << 10;
/// How often a held answer checks for its release.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A listening upstream.
///
/// It answers requests late, one at a time, and echoes other bytes at once.
pub(crate) struct Upstream {
    pub(crate) addr: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    asked: AtomicUsize,
    held: AtomicBool,
    over: AtomicBool,
}

impl Upstream {
    /// Listens on a free loopback port, in the calling thread's network namespace.
    pub(crate) fn start() -> Result<Self, String> {
        let listener = TcpListener::bind("127.0.0.1:0").map_err(|e| e.to_string())?;
        let addr = listener.local_addr().map_err(|e| e.to_string())?;
        let state = Arc::<State>::default();
        let also = Arc::clone(&state);
        thread::spawn(move || {
            for conn in listener.incoming().flatten() {
                let state = Arc::clone(&also);
                // A broken connection concerns its client only.
                thread::spawn(move || serve(conn, &state));
            }
        });
        Ok(Self { addr, state })
    }

    /// Holds delayed answers until [`release`](Self::release); their delay begins then.
    pub(crate) fn hold(&self) {
        self.state.held.store(true, Ordering::Relaxed);
        self.state.asked.store(0, Ordering::Relaxed);
    }

    pub(crate) fn release(&self) {
        self.state.held.store(false, Ordering::Relaxed);
    }

    /// Returns the requests that have arrived since [`hold`](Self::hold).
    pub(crate) fn asked(&self) -> usize {
        self.state.asked.load(Ordering::Relaxed)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.state.over.store(true, Ordering::Relaxed);
    }
}

fn serve(mut conn: TcpStream, state: &State) -> io::Result<()> {
    conn.set_nodelay(true)?;
    let mut buffer = vec![0; BLOCK];
    loop {
        let read = conn.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        if buffer[0] != ASK {
            conn.write_all(&buffer[..read])?;
            continue;
        }
        if read < QUESTION {
            conn.read_exact(&mut buffer[read..QUESTION])?;
        }
        let delay = u16::from_be_bytes([buffer[1], buffer[2]]);
        let bytes = u32::from_be_bytes([buffer[3], buffer[4], buffer[5], buffer[6]]);
        if delay > 0 {
            state.asked.fetch_add(1, Ordering::Relaxed);
            while state.held.load(Ordering::Relaxed) && !state.over.load(Ordering::Relaxed) {
                thread::sleep(LOOK_EVERY);
            }
            thread::sleep(Duration::from_millis(delay.into()));
        }
        conn.write_all(&pattern(usize::try_from(bytes).unwrap_or(0)))?;
    }
}

/// Requests this many bytes after `delay`, which is at most a minute.
pub(crate) fn ask(conn: &mut impl Write, delay: Duration, bytes: u32) -> io::Result<()> {
    let delay = u16::try_from(delay.as_millis()).unwrap_or(u16::MAX);
    let (delay, bytes) = (delay.to_be_bytes(), bytes.to_be_bytes());
    let question = [&[ASK][..], &delay, &bytes].concat();
    conn.write_all(&question)?;
    conn.flush()
}

/// Reads the whole answer.
pub(crate) fn answer(conn: &mut impl Read, bytes: u32) -> io::Result<()> {
    answer_is(conn, &pattern(usize::try_from(bytes).unwrap_or(0)))
}

/// Reads an answer that must equal the expected one.
pub(crate) fn answer_is(conn: &mut impl Read, expected: &[u8]) -> io::Result<()> {
    let mut back = vec![0; expected.len()];
    conn.read_exact(&mut back)?;
    if back == expected {
        return Ok(());
    }
    Err(io::Error::new(ErrorKind::InvalidData, "the answer differs"))
}

/// Waits for an end in order; fails on another byte.
///
/// Over TLS an end in order needs a `close_notify`.
pub(crate) fn ends_in_order(conn: &mut impl Read) -> io::Result<()> {
    match conn.read(&mut [0])? {
        0 => Ok(()),
        _ => Err(io::Error::new(ErrorKind::InvalidData, "an unexpected byte")),
    }
}

/// A connection, plain or with TLS.
pub(crate) enum Conn {
    Plain(TcpStream),
    Tls(Box<Tls>),
}

impl Conn {
    /// Half-closes the connection.
    pub(crate) fn half_close(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(conn) => conn.shutdown(Shutdown::Write),
            Self::Tls(tls) => {
                tls.conn.send_close_notify();
                tls.flush()?;
                tls.sock.shutdown(Shutdown::Write)
            }
        }
    }
}

impl Read for Conn {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(conn) => conn.read(buf),
            Self::Tls(tls) => tls.read(buf),
        }
    }
}

impl Write for Conn {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(conn) => conn.write(buf),
            Self::Tls(tls) => tls.write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(conn) => conn.flush(),
            Self::Tls(tls) => tls.flush(),
        }
    }
}
