//! The rate floor: one chunk within each write deadline is enough.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;
use transport_core::{Op, Reason, TransportError};
use transport_limits::Limits;

use super::rig::Rig;
use super::waits::{deadlines, Watch};
use crate::Harness;

/// The write deadline.
///
/// A few retransmission timeouts: a sender waits for them to fill a window smaller than a segment.
const DEADLINE: Duration = Duration::from_secs(1);
/// Write deadlines that the reader survives.
const DEADLINES: u32 = 4;
/// The pause of a reader that is ahead of its rate.
const PAUSE: Duration = Duration::from_millis(10);

/// A peer at twice the floor is served for several write deadlines.
///
/// It is ended after its last read.
pub async fn write_floor_held<H: Harness>(harness: &H) {
    let mut rig = Rig::new(harness, |l| deadlines(l, |d| d.write = DEADLINE)).await;
    let (mut ours, mut peer) = rig.connect().await;
    let chunk = Limits::default().chunk_bytes();
    let writing = tokio::spawn(async move {
        let block = vec![7; chunk];
        loop {
            if let Err(error) = ours.io.write_all(&block).await {
                return error;
            }
        }
    });
    let per_sec = 2 * chunk as u128 * 1000 / DEADLINE.as_millis();
    let (watch, mut read) = (Watch::start(), 0);
    let mut buf = vec![0; chunk / 16];
    while watch.elapsed() < DEADLINE * DEADLINES {
        if read > per_sec * watch.elapsed().as_millis() / 1000 {
            sleep(PAUSE).await;
            continue;
        }
        match peer.io.read(&mut buf).await {
            Ok(more @ 1..) => read += more as u128,
            ended => panic!("after {read} bytes in {:?}: {ended:?}", watch.elapsed()),
        }
    }
    assert_eq!(rig.recorder.snapshot().all_rejected(), 0);
    let stalled = Watch::start();
    match TransportError::from(writing.await.unwrap()) {
        TransportError::Timeout { op: Op::Write } => {}
        other => panic!("{other:?}"),
    }
    assert!(
        stalled.elapsed() <= DEADLINE * 10,
        "{:?}",
        stalled.elapsed()
    );
    assert_eq!(rig.recorder.rejected(Reason::Timeout), 1);
}
