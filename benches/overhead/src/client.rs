//! A blocking client that does not allocate in steady state.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            buffer: vec![7; 64 << 10],
        }
    }

    /// Echoes 64-byte messages one at a time.
    pub(crate) fn ping_pong(&mut self, times: usize) {
        self.lockstep(64, times);
    }

    /// Echoes messages of this size one at a time.
    pub(crate) fn lockstep(&mut self, bytes: usize, times: usize) {
        for _ in 0..times {
            self.stream.write_all(&self.buffer[..bytes]).unwrap();
            self.stream.read_exact(&mut self.buffer[..bytes]).unwrap();
        }
    }

    /// Writes a stream of bytes, and reads the echo meanwhile.
    pub(crate) fn bulk(&mut self, bytes: usize) {
        let mut writer = self.stream.try_clone().unwrap();
        let sending = std::thread::spawn(move || {
            let block = vec![7; 64 << 10];
            for _ in 0..bytes / block.len() {
                writer.write_all(&block).unwrap();
            }
        });
        for _ in 0..bytes / self.buffer.len() {
            self.stream.read_exact(&mut self.buffer).unwrap();
        }
        sending.join().unwrap();
    }
}
