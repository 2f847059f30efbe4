//! Bytes that are ready in the reactor's turn after a passed deadline.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::yield_now;
use tokio::time::{advance, sleep};
use transport_core::{Op, TransportError};

use crate::harness::{deadlines, Peer, Rig};

const IDLE: Duration = Duration::from_secs(2);

fn short_idle() -> Rig {
    Rig::new(|limits| deadlines(limits, |d| d.idle = IDLE))
}

/// Writes a byte at the deadline, after every task has been polled.
async fn write_late(peer: &mut Peer) {
    for _ in 0..10 {
        yield_now().await;
    }
    peer.io.write_all(&[1]).await.unwrap();
}

/// Each deadline has a turn of its own.
#[tokio::test(start_paused = true)]
async fn byte_at_each_deadline_keeps_read_alive() {
    for is_watched in [false, true] {
        let mut rig = short_idle();
        let (mut ours, mut peer) = rig.connect().await;
        let control = ours.io.control();
        if is_watched {
            tokio::spawn(async move { control.ended().await });
        }
        let reading = tokio::spawn(async move {
            let mut all = [0; 3];
            ours.io.read_exact(&mut all).await.map(|_| ours)
        });
        for _ in 0..3 {
            sleep(IDLE).await;
            write_late(&mut peer).await;
        }
        reading.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn stopped_process_reads_before_it_ends() {
    for is_watched in [false, true] {
        for (turns, survives) in [(30, true), (70, false)] {
            let mut rig = short_idle();
            let (mut ours, mut peer) = rig.connect().await;
            let watched = ours.io.control();
            if is_watched {
                tokio::spawn(async move { watched.ended().await });
            }
            let reading = tokio::spawn(async move { ours.io.read_u8().await });
            sleep(Duration::from_millis(10)).await;
            // All of it passes at once, as for a stopped process.
            advance(2 * IDLE).await;
            sleep(Duration::from_millis(turns)).await;
            let _ = peer.io.write_all(&[7]).await;
            let read = reading.await.unwrap();
            if survives {
                assert_eq!(read.unwrap(), 7);
            } else {
                let error = TransportError::from(read.unwrap_err());
                let is_idle = matches!(error, TransportError::Timeout { op: Op::Idle });
                assert!(is_idle, "{error:?}");
            }
        }
    }
}
