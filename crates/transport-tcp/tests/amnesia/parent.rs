//! The peer of the searched process.

use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::child::{job, Mode, JOB};
use crate::memory;

/// A socket that accepts nothing for this long is full.
const STUCK: Duration = Duration::from_millis(100);
/// The longest wait for anything.
const LIMIT: Duration = Duration::from_secs(30);

/// A child that serves.
pub(crate) struct Served {
    process: Child,
    job: String,
    control: TcpStream,
    addr: SocketAddr,
    pub(crate) needle: [u8; 16],
    pub(crate) amnesia: bool,
}

impl Served {
    pub(crate) fn start(mode: Mode, amnesia: bool) -> Self {
        let listen = || TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let (listener, upstream) = (listen(), listen());
        let addr = |l: &TcpListener| l.local_addr().unwrap();
        let job = job(mode, amnesia, addr(&listener), addr(&upstream));
        std::thread::spawn(move || send_back(&upstream));
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["serve_as_child", "--exact", "--ignored", "--nocapture"])
            .env(JOB, &job)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut control = accept(&listener, &mut process);
        control.set_read_timeout(Some(LIMIT)).unwrap();
        let mut port = [0; 2];
        control.read_exact(&mut port).unwrap();
        Self {
            process,
            job,
            control,
            addr: SocketAddr::from(([127, 0, 0, 1], u16::from_be_bytes(port))),
            needle: needle(),
            amnesia,
        }
    }

    pub(crate) fn connect(&self) -> Peer {
        let socket = TcpStream::connect(self.addr).unwrap();
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        Peer(socket)
    }

    /// Waits until the child is at rest with this many connections.
    ///
    /// Dialed connections are included.
    pub(crate) fn settle(&mut self, open: u8) {
        self.control.write_all(&[open]).unwrap();
        self.control.read_exact(&mut [0]).unwrap();
    }

    /// Returns whether the child's memory contains the payload.
    pub(crate) fn holds_payload(&self) -> bool {
        let [payload, job] = memory::find(self.process.id(), [&self.needle, self.job.as_bytes()]);
        assert!(job, "the search does not even find the job");
        payload
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // The child ends when its parent closes the connection; a failed test need not wait.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Waits until the child connects, as long as it runs.
fn accept(listener: &TcpListener, process: &mut Child) -> TcpStream {
    listener.set_nonblocking(true).unwrap();
    loop {
        match listener.accept() {
            Ok((socket, _)) => {
                socket.set_nonblocking(false).unwrap();
                return socket;
            }
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
        }
        let ended = process.try_wait().unwrap();
        assert!(ended.is_none(), "the child ended at once: {ended:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Echoes everything for the duration of the test.
fn send_back(upstream: &TcpListener) {
    while let Ok((mut read, _)) = upstream.accept() {
        std::thread::spawn(move || {
            let mut write = read.try_clone().unwrap();
            let _ = io::copy(&mut read, &mut write);
            let _ = write.shutdown(Shutdown::Write);
        });
    }
}

/// Returns bytes that no memory contained before, without a 0.
fn needle() -> [u8; 16] {
    let mut needle = [0; 16];
    for half in needle.chunks_mut(8) {
        half.copy_from_slice(&RandomState::new().hash_one(0).to_ne_bytes());
    }
    needle.map(|byte| byte | 1)
}

/// Returns the needle repeated: any 31 bytes contain it whole.
pub(crate) fn payload(needle: [u8; 16], len: usize) -> Vec<u8> {
    let mut payload = needle.repeat(len.div_ceil(needle.len()));
    payload.truncate(len);
    payload
}

/// The length before a frame.
pub(crate) fn header(len: usize) -> [u8; 4] {
    u32::try_from(len).unwrap().to_be_bytes()
}

/// A connection to the child.
pub(crate) struct Peer(TcpStream);

impl Peer {
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    pub(crate) fn send_frame(&mut self, body: &[u8]) {
        self.send(&header(body.len()));
        let mut write = self.0.try_clone().unwrap();
        let body = body.to_vec();
        // In a separate thread: in chunks, the answer begins before the frame ends.
        std::thread::spawn(move || write.write_all(&body));
    }

    /// Sends without reading, until the socket is full; returns the sent bytes.
    pub(crate) fn send_until_stuck(&mut self, bytes: &[u8]) -> usize {
        self.0.set_write_timeout(Some(STUCK)).unwrap();
        let mut sent = 0;
        while sent < bytes.len() {
            match self.0.write(&bytes[sent..]) {
                Ok(written) => sent += written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
        self.0.set_write_timeout(None).unwrap();
        sent
    }

    pub(crate) fn receive(&mut self, bytes: usize) {
        let mut from = (&self.0).take(bytes as u64);
        let got = io::copy(&mut from, &mut io::sink()).unwrap();
        assert_eq!(got, bytes as u64);
    }

    /// Receives frames with this many bytes in total.
    pub(crate) fn receive_frames(&mut self, bytes: usize) {
        let mut left = bytes;
        while left != 0 {
            let mut header = [0; 4];
            self.0.read_exact(&mut header).unwrap();
            let len = u32::from_be_bytes(header) as usize;
            self.receive(len);
            left -= len;
        }
    }

    pub(crate) fn half_close(&mut self) {
        self.0.shutdown(Shutdown::Write).unwrap();
    }

    /// Receives until the child closes.
    pub(crate) fn receive_end(&mut self) {
        let _ = io::copy(&mut self.0, &mut io::sink());
    }
}
