//! Any split of the same bytes gives the same frames; any bytes at all give frames or an error.

use bytes::Bytes;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use transport_core::TransportError;
use transport_limits::{framed, Limits};

use crate::wire::{guarded, run};

/// A frame's body: mostly small, sometimes over several chunks.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let size = prop_oneof![4 => 0..200_usize, 2 => 4_000..9_000_usize, 1 => 60_000..140_000_usize];
    (size, any::<u8>()).prop_map(|(size, seed)| {
        let byte = |at: usize| seed.wrapping_add((at % 251).try_into().unwrap());
        (0..size).map(byte).collect()
    })
}

fn wire_of(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut wire = Vec::new();
    for frame in frames {
        wire.extend(u32::try_from(frame.len()).unwrap().to_be_bytes());
        wire.extend(frame);
    }
    wire
}

fn small_chunks() -> Limits {
    let mut limits = Limits::default();
    limits.set_chunk_bytes(4 << 10).unwrap();
    limits
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_split_gives_the_same_frames(
        frames in prop::collection::vec(body(), 0..6),
        splits in prop::collection::vec(1..70_000_usize, 1..20),
        pipe in prop_oneof![Just(1_usize), 2..64_usize, Just(1 << 20)],
        whole in any::<bool>(),
    ) {
        // A pipe of a byte is a read for each byte: keep it short.
        let frames: Vec<_> = frames.into_iter().filter(|f| pipe > 64 || f.len() < 500).collect();
        let wire = wire_of(&frames);
        let got = run(async {
            let (ours, mut peer) = guarded(&small_chunks(), pipe).await;
            let control = ours.control();
            let (mut reader, _sender) = framed(ours, &control);
            let feed = tokio::spawn(async move {
                let (mut at, mut turn) = (0, 0);
                while at < wire.len() {
                    let end = (at + splits[turn % splits.len()]).min(wire.len());
                    peer.write_all(&wire[at..end]).await.unwrap();
                    tokio::task::yield_now().await;
                    (at, turn) = (end, turn + 1);
                }
            });
            let mut got: Vec<Vec<u8>> = Vec::new();
            if whole {
                while let Some(frame) = reader.read_frame().await.unwrap() {
                    got.push(frame.to_vec());
                }
            } else {
                while let Some(chunk) = reader.read_chunk().await.unwrap() {
                    if chunk.offset == 0 {
                        got.push(Vec::new());
                    }
                    let frame = got.last_mut().unwrap();
                    assert_eq!(frame.len(), chunk.offset);
                    assert!(chunk.bytes.len() <= 4 << 10);
                    frame.extend(&chunk.bytes);
                    assert_eq!(chunk.is_last(), frame.len() == chunk.frame_len);
                }
            }
            feed.await.unwrap();
            got
        });
        prop_assert_eq!(got, frames);
    }

    #[test]
    fn any_bytes_give_frames_or_an_error(noise in prop::collection::vec(any::<u8>(), 0..400)) {
        run(async {
            let (ours, mut peer) = guarded(&Limits::default(), 1 << 20).await;
            let control = ours.control();
            let (mut reader, _sender) = framed(ours, &control);
            peer.write_all(&noise).await.unwrap();
            drop(peer);
            loop {
                match reader.read_frame().await {
                    Ok(Some(_)) => {}
                    Ok(None) | Err(TransportError::FrameTruncated) => break,
                    Err(TransportError::TooLarge { len, max }) => {
                        assert!(len > max);
                        break;
                    }
                    Err(other) => panic!("{other:?}"),
                }
            }
        });
    }

    #[test]
    fn what_is_sent_is_what_is_on_the_wire(
        frames in prop::collection::vec(body(), 0..6),
        pipe in prop_oneof![1..64_usize, Just(1 << 20)],
    ) {
        let frames: Vec<_> = frames.into_iter().filter(|f| pipe > 64 || f.len() < 500).collect();
        let expected = wire_of(&frames);
        let wire = run(async {
            let (ours, mut peer) = guarded(&Limits::default(), pipe).await;
            let control = ours.control();
            let (_reader, sender) = framed(ours, &control);
            let sending = async move {
                for frame in frames {
                    sender.send(Bytes::from(frame)).await.unwrap();
                }
            };
            let mut wire = Vec::new();
            let (read, ()) = tokio::join!(peer.read_to_end(&mut wire), sending);
            read.unwrap();
            wire
        });
        prop_assert_eq!(wire, expected);
    }
}
