//! Frames of a guarded stream, read whole and in chunks.
//!
//! The input describes a stream: frames, lengths without a body, and raw bytes. The reader returns the
//! frames of a reference parser and its end of the stream, and reads no byte of an oversized frame.

use std::sync::atomic::Ordering;
use std::sync::Arc;

use arbitrary::{Arbitrary, Result, Unstructured};
use tokio::io::AsyncRead;
use transport_core::{
    Backend, ConnInfo, Connection, Listener, NoObserver, PeerAddr, Pending, Plain, TransportError,
};
use transport_limits::{framed, FrameReader, Guard, Limiter, Limits};

use crate::pieces::{PieceSizes, Pieces};
use crate::runtime::block_on;

const CHUNK: usize = 4 << 10;
/// Most bytes of a frame of the first kind.
const FILLED: u32 = (12 << 10) + 2;
const MAX: usize = 64 << 10;
/// Most parts of a stream.
const PARTS: usize = 16;

/// The end of a stream.
#[derive(Debug, PartialEq)]
enum StreamEnd {
    Clean,
    Truncated,
    /// A length over the ceiling, and the position after it.
    TooLarge(usize),
}

pub(crate) fn run(bytes: &[u8]) {
    let mut input = Unstructured::new(bytes);
    let (Ok(turns), Ok(amnesia)) = (u8::arbitrary(&mut input), bool::arbitrary(&mut input)) else {
        return;
    };
    let Ok(stream) = stream(&mut input) else {
        return;
    };
    let expected = parse(&stream);
    let (got, read) = block_on(read(stream, PieceSizes::of(bytes), turns, amnesia));
    let (frames, error) = got;
    assert!(
        frames == expected.0,
        "{} frames, not {}",
        frames.len(),
        expected.0.len()
    );
    match (expected.1, error) {
        (StreamEnd::Clean, None) | (StreamEnd::Truncated, Some(TransportError::FrameTruncated)) => {
        }
        (StreamEnd::TooLarge(at), Some(TransportError::TooLarge { .. })) => {
            assert_eq!(read, at, "a byte of the body was read");
        }
        (end, error) => panic!("{end:?}: {error:?}"),
    }
}

/// Builds the bytes of a stream.
fn stream(input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for _ in 0..PARTS {
        if input.is_empty() {
            break;
        }
        match input.int_in_range(0..=3_u8)? {
            0 => {
                let len = input.int_in_range(0..=FILLED)?;
                let fill = u8::arbitrary(input)?;
                bytes.extend(len.to_be_bytes());
                bytes.extend((0..len).map(|at| fill.wrapping_add(at.to_le_bytes()[0])));
            }
            1 => bytes.extend(u32::arbitrary(input)?.to_be_bytes()),
            2 => {
                let len = u32::from(u16::arbitrary(input)?) * 2;
                bytes.extend(len.to_be_bytes());
            }
            _ => {
                let len = input.int_in_range(0..=40_usize)?;
                bytes.extend_from_slice(input.bytes(len.min(input.len()))?);
            }
        }
    }
    Ok(bytes)
}

fn parse(bytes: &[u8]) -> (Vec<Vec<u8>>, StreamEnd) {
    let (mut frames, mut at) = (Vec::new(), 0);
    loop {
        let rest = &bytes[at..];
        if rest.is_empty() {
            return (frames, StreamEnd::Clean);
        }
        let Some((header, rest)) = rest.split_first_chunk::<4>() else {
            return (frames, StreamEnd::Truncated);
        };
        let len = u32::from_be_bytes(*header) as usize;
        at += 4;
        if len > MAX {
            return (frames, StreamEnd::TooLarge(at));
        }
        let Some(body) = rest.get(..len) else {
            return (frames, StreamEnd::Truncated);
        };
        frames.push(body.to_vec());
        at += len;
    }
}

/// Frames, and the error that ended the stream.
type ReadFrames = (Vec<Vec<u8>>, Option<TransportError>);

/// Reads the stream through a guard; also counts its bytes.
async fn read(stream: Vec<u8>, sizes: PieceSizes, turns: u8, amnesia: bool) -> (ReadFrames, usize) {
    let mut limits = Limits::default();
    limits.set_amnesia(amnesia);
    limits.set_chunk_bytes(CHUNK as u64).expect("a chunk");
    limits.set_max_frame_bytes(MAX as u64).expect("a frame");
    let limiter = Limiter::new(&limits, Arc::new(NoObserver)).expect("a limiter");
    let pieces = Pieces::new(stream, sizes);
    let read = pieces.read_bytes();
    let admitted = Guard::new(Peer(Some(pieces)), &limiter).accept().await;
    let io = admitted.establish().await.expect("no handshake").io;
    let control = io.control();
    let (mut reader, _sender) = framed(io, &control);
    let frames = frames(&mut reader, turns).await;
    assert!(limiter.memory_held() <= MAX as u64 + CHUNK as u64);
    (frames, read.load(Ordering::Relaxed))
}

/// Reads frames whole or in chunks, by the bits of `turns`.
async fn frames<R: AsyncRead + Unpin>(reader: &mut FrameReader<R>, turns: u8) -> ReadFrames {
    let mut frames = Vec::new();
    for turn in 0_u32.. {
        let got = if turns >> (turn % 8) & 1 == 0 {
            reader
                .read_frame()
                .await
                .map(|frame| frame.map(|frame| frame.to_vec()))
        } else {
            chunks(reader).await
        };
        match got {
            Ok(Some(frame)) => frames.push(frame),
            Ok(None) => break,
            Err(error) => {
                let after = reader.read_frame().await;
                assert!(matches!(after, Err(TransportError::Closed)), "{after:?}");
                return (frames, Some(error));
            }
        }
    }
    (frames, None)
}

async fn chunks<R: AsyncRead + Unpin>(
    reader: &mut FrameReader<R>,
) -> std::result::Result<Option<Vec<u8>>, TransportError> {
    let mut frame = Vec::new();
    while let Some(chunk) = reader.read_chunk().await? {
        assert_eq!(chunk.offset, frame.len());
        assert!(chunk.bytes.len() == CHUNK || chunk.is_last() && chunk.bytes.len() < CHUNK);
        frame.extend_from_slice(&chunk.bytes);
        if chunk.is_last() {
            assert_eq!(chunk.frame_len, frame.len());
            return Ok(Some(frame));
        }
    }
    assert!(frame.is_empty(), "the end of the stream hides a cut frame");
    Ok(None)
}

/// A listener with one peer, whose connection needs no handshake.
struct Peer(Option<Pieces>);

impl Listener for Peer {
    type Pending = Self;

    fn backend(&self) -> Backend {
        Backend::Tcp
    }

    async fn accept(&mut self) -> std::result::Result<Self, TransportError> {
        Ok(Self(self.0.take()))
    }
}

impl Pending for Peer {
    type Io = Plain<Pieces>;
    const HANDSHAKE: bool = false;

    fn peer(&self) -> PeerAddr {
        PeerAddr::Ip(([192, 0, 2, 1], 1).into())
    }

    async fn establish(mut self) -> std::result::Result<Connection<Self::Io>, TransportError> {
        let pieces = self.0.take().ok_or(TransportError::Closed)?;
        let info = ConnInfo::new(Backend::Tcp, Some(self.peer()));
        Ok(Connection::new(Plain(pieces), info))
    }
}
