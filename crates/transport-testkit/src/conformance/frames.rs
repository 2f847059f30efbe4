//! Frames: whole and in chunks, within size limit and deadline.

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use transport_core::{Op, Reason, TransportError};
use transport_limits::{framed, Limits};

use super::rig::{pattern, Rig};
use super::waits::{deadlines, Watch, SHORT};
use crate::Harness;

const CHUNK: usize = 8 << 10;
const MAX: usize = 64 << 10;
/// Sizes around every boundary of the reader.
const SIZES: [usize; 9] = [
    0,
    1,
    CHUNK - 1,
    CHUNK,
    CHUNK + 1,
    3 * CHUNK + 5,
    MAX - 1,
    MAX,
    4,
];

fn small(limits: &mut Limits) {
    limits
        .set_chunk_bytes(CHUNK as u64)
        .unwrap()
        .set_max_frame_bytes(MAX as u64)
        .unwrap();
}

pub(super) async fn write_frame<W: AsyncWrite + Unpin>(io: &mut W, body: &[u8]) {
    let len = u32::try_from(body.len()).unwrap();
    io.write_all(&len.to_be_bytes()).await.unwrap();
    io.write_all(body).await.unwrap();
    io.flush().await.unwrap();
}

pub(super) async fn read_frame<R: AsyncRead + Unpin>(io: &mut R) -> Vec<u8> {
    let mut header = [0; 4];
    io.read_exact(&mut header).await.unwrap();
    let mut body = vec![0; u32::from_be_bytes(header) as usize];
    io.read_exact(&mut body).await.unwrap();
    body
}

/// Whole frames up to EOF, with and without amnesia.
pub async fn frames_arrive_whole<H: Harness>(harness: &H) {
    for amnesia in [false, true] {
        whole(harness, amnesia).await;
    }
}

async fn whole<H: Harness>(harness: &H, amnesia: bool) {
    let mut rig = Rig::new(harness, |l| small(l.set_amnesia(amnesia))).await;
    let (ours, mut peer) = rig.connect().await;
    let control = ours.io.control();
    let (mut frames, _sender) = framed(ours.io, &control);
    let send = async {
        for size in SIZES {
            write_frame(&mut peer.io, &pattern(size)).await;
        }
        peer.io.shutdown().await.unwrap();
    };
    let receive = async {
        for size in SIZES {
            let frame = frames.read_frame().await.unwrap().unwrap();
            assert!(frame[..] == pattern(size)[..], "a frame of {size} bytes");
        }
        assert_eq!(frames.read_frame().await.unwrap(), None);
    };
    tokio::join!(send, receive);
    let sent = SIZES.iter().map(|size| size + 4).sum::<usize>();
    assert_eq!(control.bytes_in(), sent as u64);
    assert!(!control.is_idle(), "idle although answers are owed");
}

/// Frames in ordered chunks of bounded size, with and without amnesia.
pub async fn frames_arrive_in_chunks<H: Harness>(harness: &H) {
    for amnesia in [false, true] {
        in_chunks(harness, amnesia).await;
    }
}

async fn in_chunks<H: Harness>(harness: &H, amnesia: bool) {
    let mut rig = Rig::new(harness, |l| small(l.set_amnesia(amnesia))).await;
    let (ours, mut peer) = rig.connect().await;
    let control = ours.io.control();
    let (mut frames, _sender) = framed(ours.io, &control);
    let send = async {
        for size in SIZES {
            write_frame(&mut peer.io, &pattern(size)).await;
        }
        peer.io.shutdown().await.unwrap();
    };
    let receive = async {
        for size in SIZES {
            let mut body = Vec::new();
            loop {
                let chunk = frames.read_chunk().await.unwrap().unwrap();
                assert_eq!((chunk.frame_len, chunk.offset), (size, body.len()));
                assert!(
                    chunk.bytes.len() <= CHUNK,
                    "{} bytes in a chunk",
                    chunk.bytes.len()
                );
                body.extend_from_slice(&chunk.bytes);
                if chunk.is_last() {
                    break;
                }
            }
            assert!(body == pattern(size), "a frame of {size} bytes");
        }
        assert_eq!(frames.read_chunk().await.unwrap(), None);
    };
    tokio::join!(send, receive);
}

/// The writer sends exactly the length and the body.
pub async fn frames_sent_unchanged<H: Harness>(harness: &H) {
    let mut rig = Rig::new(harness, small).await;
    let (ours, mut peer) = rig.connect().await;
    let control = ours.io.control();
    let (_frames, sender) = framed(ours.io, &control);
    let send = async {
        for size in SIZES {
            sender.send(Bytes::from(pattern(size))).await.unwrap();
        }
    };
    let receive = async {
        for size in SIZES {
            assert!(
                read_frame(&mut peer.io).await == pattern(size),
                "a frame of {size} bytes"
            );
        }
    };
    tokio::join!(send, receive);
    // The peer may receive a frame before the writer has counted it.
    drop(sender);
    rig.limiter.tasks().wait().await;
    let sent = SIZES.iter().map(|size| size + 4).sum::<usize>();
    assert_eq!(control.bytes_out(), sent as u64);
}

/// A length over the ceiling ends the connection before the body.
pub async fn oversize_frame_refused_unread<H: Harness>(harness: &H) {
    let mut rig = Rig::new(harness, |_| {}).await;
    let (ours, mut peer) = rig.connect().await;
    let control = ours.io.control();
    let (mut frames, _sender) = framed(ours.io, &control);
    let two_mib = 2_u32 << 20;
    let mut head = two_mib.to_be_bytes().to_vec();
    head.extend(pattern(100));
    peer.io.write_all(&head).await.unwrap();
    peer.io.flush().await.unwrap();
    let error = frames.read_frame().await.unwrap_err();
    match error {
        TransportError::TooLarge { len, max } => {
            assert_eq!((len, max), (2 << 20, 1 << 20));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(control.bytes_in(), 4, "bytes of the body were read");
    assert_eq!(rig.recorder.rejected(Reason::TooLarge), 1);
    // Another read is not another reject.
    frames.read_frame().await.unwrap_err();
    assert_eq!(rig.recorder.rejected(Reason::TooLarge), 1);
}

/// Bytes that arrive too slowly do not keep a frame alive.
pub async fn trickled_frame_times_out<H: Harness>(harness: &H) {
    trickled(harness, &[0, 0, 0, 100], SHORT / 4).await;
}

/// The four length bytes do not extend the deadline either.
pub async fn trickled_header_times_out<H: Harness>(harness: &H) {
    trickled(harness, &[0], SHORT * 3 / 4).await;
}

async fn trickled<H: Harness>(harness: &H, start: &[u8], every: std::time::Duration) {
    let mut rig = Rig::new(harness, |l| deadlines(l, |d| d.read = SHORT)).await;
    let (ours, mut peer) = rig.connect().await;
    let control = ours.io.control();
    let (mut frames, sender) = framed(ours.io, &control);
    let watch = Watch::start();
    peer.io.write_all(start).await.unwrap();
    peer.io.flush().await.unwrap();
    let trickle = tokio::spawn(async move {
        loop {
            tokio::time::sleep(every).await;
            if peer.io.write_all(&[0]).await.is_err() || peer.io.flush().await.is_err() {
                return;
            }
        }
    });
    let error = frames.read_frame().await.unwrap_err();
    assert!(
        matches!(error, TransportError::Timeout { op: Op::Read }),
        "{error:?}"
    );
    watch.assert_took(SHORT);
    assert_eq!(rig.recorder.rejected(Reason::Timeout), 1);
    drop((frames, sender));
    trickle.await.unwrap();
}

/// EOF inside a frame is a separate error, and no reject.
pub async fn eof_within_frame_is_truncated<H: Harness>(harness: &H) {
    for cut in [&[0_u8, 0][..], &[0, 0, 0, 9, 1, 2, 3]] {
        let mut rig = Rig::new(harness, |_| {}).await;
        let (ours, mut peer) = rig.connect().await;
        let control = ours.io.control();
        let (mut frames, _sender) = framed(ours.io, &control);
        peer.io.write_all(cut).await.unwrap();
        peer.io.shutdown().await.unwrap();
        let error = frames.read_frame().await.unwrap_err();
        assert!(matches!(error, TransportError::FrameTruncated), "{error:?}");
        assert_eq!(rig.recorder.snapshot().all_rejected(), 0);
    }
}

/// The largest frames pass both ways with every deadline short.
pub async fn large_frames_pass_at_full_speed<H: Harness>(harness: &H) {
    const FRAMES: usize = 16;
    let mut rig = Rig::new(harness, |l| {
        deadlines(l, |d| {
            d.read = SHORT * 10;
            d.write = SHORT * 10;
        });
    })
    .await;
    let (ours, peer) = rig.connect().await;
    let control = ours.io.control();
    let (mut frames, sender) = framed(ours.io, &control);
    let body = pattern(1 << 20);
    let echo = async {
        while let Some(frame) = frames.read_frame().await.unwrap() {
            sender.send(frame).await.unwrap();
        }
        drop(sender);
    };
    let (mut read, mut write) = tokio::io::split(peer.io);
    let send = async {
        for _ in 0..FRAMES {
            write_frame(&mut write, &body).await;
        }
        write.shutdown().await.unwrap();
    };
    let receive = async {
        for _ in 0..FRAMES {
            assert!(
                read_frame(&mut read).await == body,
                "a frame came back changed"
            );
        }
        assert_eq!(read.read(&mut [0; 4]).await.unwrap(), 0);
    };
    tokio::join!(echo, send, receive);
    assert_eq!(control.bytes_in(), (FRAMES * (body.len() + 4)) as u64);
    assert_eq!(control.bytes_out(), control.bytes_in());
    assert_eq!(rig.recorder.snapshot().all_rejected(), 0);
}
