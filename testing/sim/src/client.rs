//! A peer that performs its steps, and checks the bytes it receives.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use ron_transport::Io;
use tokio::io::{split, AsyncReadExt, AsyncWriteExt, ReadHalf};
use tokio::time::{sleep, Instant};

use crate::books::Outcome;
use crate::net::{address, SimIo};
use crate::script::{Mode, Step, Upstream};
use crate::world::{content, pattern, World};

/// Connects a peer and performs its steps.
pub(crate) async fn run(world: Arc<World>, peer: usize) {
    let plan = world.script.peers[peer].clone();
    world.until(plan.at).await;
    let addr = address(peer, plan.ip);
    let Some(io) = world.knock(peer, plan.wire, plan.hand, addr) else {
        world.books().peers[peer].outcome = Outcome::NoListener;
        return;
    };
    let mut client = Client {
        world: Arc::clone(&world),
        peer,
        mode: plan.mode,
        asked: 0,
        want: 0,
        received: Received::default(),
    };
    let mut io = Some(io);
    let mut outcome = Outcome::Done;
    for step in plan.steps {
        if let Err(failed) = client.step(&mut io, step).await {
            outcome = failed;
            break;
        }
    }
    let mut books = world.books();
    books.trace("outcome", peer as u64, outcome as u64);
    books.peers[peer].outcome = outcome;
    drop(books);
    // The connection closes after its outcome is known.
    drop(io);
}

/// The bytes that a peer has received.
#[derive(Debug, Default)]
struct Received {
    bytes: u64,
    payload: u64,
    head: Vec<u8>,
    /// Payload bytes that follow in the current frame.
    frame: usize,
}

struct Client {
    world: Arc<World>,
    peer: usize,
    mode: Mode,
    /// Bytes sent to an echo.
    asked: u64,
    /// Bytes that all answers have together.
    want: u64,
    received: Received,
}

impl Client {
    async fn step(&mut self, slot: &mut Option<SimIo>, step: Step) -> Result<(), Outcome> {
        let Some(io) = slot else {
            return Ok(());
        };
        match step {
            Step::Ask { body, resp } => {
                let request = self.request(body, resp, body);
                self.ask(io, &request, None).await
            }
            Step::AskSlow {
                resp,
                piece,
                every_ms,
            } => {
                let request = self.request(0, resp, 0);
                self.ask(io, &request, Some((piece, every_ms))).await
            }
            Step::Send { body, resp } => {
                let request = self.request(body, resp, body);
                io.write_all(&request).await.map_err(write_failed)
            }
            Step::Partial { body, sent } => {
                let request = self.request(body, 1, sent);
                io.write_all(&request).await.map_err(write_failed)
            }
            Step::Sleep(ms) => {
                sleep(Duration::from_millis(ms)).await;
                Ok(())
            }
            Step::Stall(ms) => {
                for side in io.sides() {
                    side.stall(Duration::from_millis(ms));
                }
                Ok(())
            }
            Step::Fin => {
                let _ = io.shutdown().await;
                Ok(())
            }
            Step::Reset => {
                io.abort();
                *slot = None;
                Ok(())
            }
            Step::End => {
                let (mut reader, _writer) = split(io);
                loop {
                    match self.read(&mut reader, 16 << 10).await {
                        Ok(false) => {}
                        Ok(true) => return Ok(()),
                        // The answer was whole, and the request was not read whole.
                        Err(_) if self.is_early() && self.received.bytes == self.want => {
                            return Ok(());
                        }
                        Err(failed) => return Err(failed),
                    }
                }
            }
        }
    }

    /// Builds a request, or the first `sent` bytes of its body.
    fn request(&mut self, body: usize, resp: usize, sent: usize) -> Vec<u8> {
        let word = |size: usize| u32::try_from(size).unwrap_or(u32::MAX).to_be_bytes();
        let mut bytes = Vec::new();
        match self.mode {
            Mode::Echo => {
                bytes = content(self.peer, self.asked, sent);
                self.asked += sent as u64;
                self.want += sent as u64;
            }
            Mode::Framed { .. } => {
                bytes.extend(word(body + 4));
                bytes.extend(word(resp));
                bytes.extend(content(self.peer, 0, sent));
                self.want += 4 + resp as u64;
            }
            _ => {
                bytes.extend(word(body));
                bytes.extend(word(resp));
                bytes.extend(content(self.peer, 0, sent));
                self.want += resp as u64;
            }
        }
        bytes
    }

    /// Sends a request and reads all answers.
    ///
    /// `pace` is the bytes of a read and the milliseconds between two.
    async fn ask(
        &mut self,
        io: &mut SimIo,
        request: &[u8],
        pace: Option<(usize, u64)>,
    ) -> Result<(), Outcome> {
        let (mut reader, mut writer) = split(io);
        let sending = async { writer.write_all(request).await };
        let reading = async {
            while self.received.bytes < self.want {
                let mut piece = pace.map_or(16 << 10, |(piece, _)| piece);
                let began = Instant::now();
                while piece != 0 && self.received.bytes < self.want {
                    let before = self.received.bytes;
                    if self.read(&mut reader, piece).await? {
                        return Err(Outcome::Eof);
                    }
                    let read = self.received.bytes - before;
                    piece = piece.saturating_sub(usize::try_from(read).unwrap_or(piece));
                    if pace.is_none() {
                        break;
                    }
                }
                if let Some((_, every_ms)) = pace.filter(|_| !self.world.books().is_over) {
                    tokio::time::sleep_until(began + Duration::from_millis(every_ms)).await;
                }
            }
            Ok(())
        };
        let (sent, read) = tokio::join!(sending, reading);
        read?;
        // An early answer comes before the request was read.
        if self.is_early() {
            return Ok(());
        }
        sent.map_err(write_failed)
    }

    const fn is_early(&self) -> bool {
        matches!(self.mode, Mode::Relay(Upstream::Early { .. }))
    }

    /// Reads once and checks the bytes; returns whether the stream has ended.
    async fn read(
        &mut self,
        reader: &mut ReadHalf<&mut SimIo>,
        most: usize,
    ) -> Result<bool, Outcome> {
        let mut buf = vec![0; most];
        match reader.read(&mut buf).await {
            Ok(0) => {
                self.world.books().end_seen(self.peer, self.received.bytes);
                Ok(true)
            }
            Ok(read) => {
                self.receive(&buf[..read]);
                Ok(false)
            }
            Err(_) => Err(Outcome::Reset),
        }
    }

    fn receive(&mut self, bytes: &[u8]) {
        let framed = matches!(self.mode, Mode::Framed { .. });
        for byte in bytes {
            self.received.bytes += 1;
            if framed && self.received.frame == 0 {
                self.received.head.push(*byte);
                if let [a, b, c, d] = *self.received.head {
                    self.received.frame = u32::from_be_bytes([a, b, c, d]) as usize;
                    self.received.head.clear();
                }
                continue;
            }
            self.received.frame = self.received.frame.saturating_sub(1);
            let at = self.received.payload;
            self.received.payload += 1;
            if *byte != pattern(self.peer, at) {
                let what = format!("peer {} received a wrong byte at {at}", self.peer);
                self.world.books().broken("bytes", what);
                return;
            }
        }
    }
}

#[allow(clippy::needless_pass_by_value)] // For `map_err`.
fn write_failed(_: io::Error) -> Outcome {
    Outcome::WriteFailed
}
