//! The memory budget: a peer's share, and each connection's chunk.

use std::time::Duration;

use tokio::time::timeout;
use transport_core::{Direction, Scope};
use transport_limits::{framed, Limits};

use super::frames::write_frame;
use super::rig::{pattern, Rig};
use super::waits::SHORT;
use crate::Harness;

const CHUNK: usize = 8 << 10;
const FRAME: usize = 64 << 10;
/// The number of frames in a peer's quarter.
const SHARE: usize = 4;

fn budget(limits: &mut Limits) {
    limits
        .set_chunk_bytes(CHUNK as u64)
        .unwrap()
        .set_max_frame_bytes(FRAME as u64)
        .unwrap()
        .set_memory_bytes((4 * SHARE * FRAME) as u64)
        .unwrap();
}

/// Returns a frame that carries its number.
fn numbered(n: usize) -> Vec<u8> {
    let mut body = pattern(FRAME);
    body[0] = u8::try_from(n).unwrap();
    body
}

/// Kept frames park the peer's reads at a quarter of the budget.
///
/// Other connections have their free chunk, and each dropped frame makes room for the next.
pub async fn memory_share_of_peer<H: Harness>(harness: &H) {
    let mut rig = Rig::new(harness, budget).await;
    let (hog, mut hog_peer) = rig.connect().await;
    let (other, mut other_peer) = rig.connect().await;
    let (hog_control, other_control) = (hog.io.control(), other.io.control());
    let (mut frames, _sender) = framed(hog.io, &hog_control);
    let (mut others, _sender) = framed(other.io, &other_control);
    let sending = tokio::spawn(async move {
        for n in 0..2 * SHARE {
            write_frame(&mut hog_peer.io, &numbered(n)).await;
        }
        hog_peer
    });
    let mut kept = Vec::new();
    for _ in 0..SHARE {
        kept.push(frames.read_frame().await.unwrap().unwrap());
    }
    let parked = timeout(SHORT, frames.read_frame()).await;
    assert!(parked.is_err(), "read a frame beyond the share");
    assert_eq!(rig.limiter.memory_held(), (SHARE * FRAME) as u64);
    for _ in 0..3 {
        write_frame(&mut other_peer.io, &pattern(CHUNK)).await;
        let frame = others.read_frame().await.unwrap().unwrap();
        assert!(frame[..] == pattern(CHUNK)[..], "a frame of a chunk");
    }
    for n in 0..SHARE {
        assert!(kept.remove(0)[..] == numbered(n)[..], "frame {n}");
        kept.push(frames.read_frame().await.unwrap().unwrap());
        assert_eq!(rig.limiter.memory_held(), (SHARE * FRAME) as u64);
    }
    for (n, frame) in kept.iter().enumerate() {
        assert!(frame[..] == numbered(SHARE + n)[..], "frame {}", SHARE + n);
    }
    drop(kept);
    drop(sending.await.unwrap());
    assert_eq!(
        (rig.limiter.memory_held(), rig.recorder.memory_held()),
        (0, 0)
    );
    let parked = rig.recorder.throttled(Scope::Memory, Direction::In);
    assert!(parked > Duration::ZERO);
    assert_eq!(rig.recorder.snapshot().all_rejected(), 0);
}
