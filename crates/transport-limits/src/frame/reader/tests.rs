//! Property tests: any bytes in any pieces.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use proptest::prelude::*;
use tokio::io::{AsyncRead, ReadBuf};
use transport_core::{Backend, ConnInfo, NoObserver, TransportError};

use super::*;
use crate::conn_state::ConnState;
use crate::limiter::Limiter;
use crate::settings::Limits;

const CHUNK: usize = 4 << 10;
const MAX: usize = 64 << 10;

/// A stream of pieces with these sizes; 0 is pending.
struct Pieces {
    bytes: Vec<u8>,
    at: usize,
    sizes: Vec<usize>,
    turn: usize,
}

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let size = self.sizes[self.turn % self.sizes.len()];
        self.turn += 1;
        if size == 0 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let left = self.bytes.len() - self.at;
        let take = size.min(left).min(buf.remaining());
        buf.put_slice(&self.bytes[self.at..self.at + take]);
        self.at += take;
        Poll::Ready(Ok(()))
    }
}

/// The end of a byte stream, by the reference parser.
#[derive(Debug, PartialEq)]
enum End {
    Clean,
    Truncated,
    /// A length over the ceiling, and the position after it.
    TooLarge(usize),
}

fn parse(bytes: &[u8]) -> (Vec<Vec<u8>>, End) {
    let (mut frames, mut at) = (Vec::new(), 0);
    loop {
        let rest = &bytes[at..];
        if rest.is_empty() {
            return (frames, End::Clean);
        }
        let Some((header, rest)) = rest.split_first_chunk::<4>() else {
            return (frames, End::Truncated);
        };
        let len = u32::from_be_bytes(*header) as usize;
        at += 4;
        if len > MAX {
            return (frames, End::TooLarge(at));
        }
        let Some(body) = rest.get(..len) else {
            return (frames, End::Truncated);
        };
        frames.push(body.to_vec());
        at += len;
    }
}

fn reader(bytes: Vec<u8>, sizes: &[usize], amnesia: bool) -> FrameReader<Pieces> {
    let mut limits = Limits::default();
    limits.set_amnesia(amnesia);
    limits.set_chunk_bytes(CHUNK as u64).unwrap();
    limits.set_max_frame_bytes(MAX as u64).unwrap();
    let limiter = Limiter::new(&limits, Arc::new(NoObserver)).unwrap();
    let settings = limiter.core().settings();
    let conn = ConnState::new(
        Arc::new(ConnInfo::new(Backend::Tcp, None)),
        Arc::clone(limiter.core()),
        settings,
        None,
        0,
    );
    // One size that always makes progress.
    let sizes = sizes.iter().copied().chain([CHUNK]).collect();
    let pieces = Pieces {
        bytes,
        at: 0,
        sizes,
        turn: 0,
    };
    FrameReader::new(pieces, Control(Arc::new(conn)))
}

/// Reads to the end. Each frame is read whole or in chunks, as `whole` says in turn.
async fn read(reader: &mut FrameReader<Pieces>, whole: &[bool]) -> (Vec<Vec<u8>>, TransportError) {
    let mut frames = Vec::new();
    let clean = || TransportError::Closed;
    for n in 0.. {
        if whole[n % whole.len()] {
            match reader.read_frame().await {
                Ok(Some(frame)) => frames.push(frame.to_vec()),
                Ok(None) => return (frames, clean()),
                Err(error) => return (frames, error),
            }
            continue;
        }
        let mut frame = Vec::new();
        loop {
            match reader.read_chunk().await {
                Ok(Some(chunk)) => {
                    assert_eq!(chunk.offset, frame.len());
                    let full = chunk.bytes.len() == CHUNK;
                    assert!(full || chunk.is_last() && chunk.bytes.len() < CHUNK);
                    frame.extend_from_slice(&chunk.bytes);
                    if chunk.is_last() {
                        assert_eq!(chunk.frame_len, frame.len());
                        break;
                    }
                }
                Ok(None) => return (frames, clean()),
                Err(error) => return (frames, error),
            }
        }
        frames.push(frame);
    }
    unreachable!()
}

fn check(bytes: &[u8], sizes: &[usize], whole: &[bool]) {
    for amnesia in [false, true] {
        check_with(bytes.to_vec(), sizes, whole, amnesia);
    }
}

fn check_with(bytes: Vec<u8>, sizes: &[usize], whole: &[bool], amnesia: bool) {
    let (wanted, end) = parse(&bytes);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let mut reader = reader(bytes, sizes, amnesia);
    let (frames, error) = runtime.block_on(read(&mut reader, whole));
    assert!(
        frames == wanted,
        "{} frames, not {}",
        frames.len(),
        wanted.len()
    );
    match end {
        End::Clean => assert!(matches!(error, TransportError::Closed), "{error:?}"),
        End::Truncated => assert!(matches!(error, TransportError::FrameTruncated), "{error:?}"),
        End::TooLarge(at) => {
            assert!(
                matches!(error, TransportError::TooLarge { .. }),
                "{error:?}"
            );
            assert_eq!(reader.io.at, at, "a byte of the body was read");
        }
    }
}

fn frame() -> impl Strategy<Value = Vec<u8>> {
    let size = prop_oneof![
        4 => 0..40_usize,
        2 => CHUNK - 2..=CHUNK + 2,
        1 => 0..3 * CHUNK,
        1 => Just(2 * CHUNK),
    ];
    (size, any::<u8>()).prop_map(|(size, first)| {
        (0..size)
            .map(|n| first.wrapping_add(u8::try_from(n % 251).unwrap()))
            .collect()
    })
}

/// Returns sizes of pieces; 0 is pending.
fn sizes() -> impl Strategy<Value = Vec<usize>> {
    let size = prop_oneof![2 => 0..8_usize, 1 => 0..2 * CHUNK];
    prop::collection::vec(size, 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_split_yields_same_frames(
        frames in prop::collection::vec(frame(), 0..8),
        cut in 0..12_usize,
        sizes in sizes(),
        whole in prop::collection::vec(any::<bool>(), 1..4),
    ) {
        let mut bytes = Vec::new();
        for frame in &frames {
            bytes.extend(u32::try_from(frame.len()).unwrap().to_be_bytes());
            bytes.extend(frame);
        }
        // Some streams are truncated.
        bytes.truncate(bytes.len().saturating_sub(cut.saturating_sub(4)));
        check(&bytes, &sizes, &whole);
    }

    #[test]
    fn any_bytes_yield_frames_or_error(
        bytes in prop::collection::vec(prop_oneof![3 => 0..3_u8, 1 => any::<u8>()], 0..600),
        sizes in sizes(),
        whole in prop::collection::vec(any::<bool>(), 1..4),
    ) {
        check(&bytes, &sizes, &whole);
    }

    #[test]
    fn oversized_frame_body_never_read(
        before in prop::collection::vec(frame(), 0..3),
        over in (64_u32 << 10) + 1..=u32::MAX,
        sizes in sizes(),
        whole in prop::collection::vec(any::<bool>(), 1..4),
    ) {
        let mut bytes = Vec::new();
        for frame in &before {
            bytes.extend(u32::try_from(frame.len()).unwrap().to_be_bytes());
            bytes.extend(frame);
        }
        bytes.extend(over.to_be_bytes());
        bytes.extend([1; 100]);
        check(&bytes, &sizes, &whole);
    }
}
