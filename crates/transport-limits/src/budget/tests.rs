//! Charges and holds.

use bytes::Bytes;
use transport_core::NoObserver;

use super::*;
use crate::buffer::ReceiveBuffer;

fn budget() -> Budget {
    Budget::new(&SharedBudget::new(1000), Arc::new(NoObserver))
}

const ACCOUNT: MemoryAccount = MemoryAccount::Conn(1);

#[allow(clippy::unwrap_used)]
fn received(budget: &Budget, wiped: bool, reserved: usize, body: &[u8]) -> Bytes {
    let charge = budget.take(ACCOUNT, reserved).unwrap();
    let mut buffer = ReceiveBuffer::new(wiped);
    buffer.extend(body, body.len());
    buffer.take(charge.into())
}

#[test]
fn charge_lasts_until_last_clone() {
    for wiped in [false, true] {
        let budget = budget();
        let frame = received(&budget, wiped, 150, &[7; 100]);
        assert_eq!(
            budget.held(),
            100,
            "the rest of the reservation is given back"
        );
        let part = frame.slice(90..);
        drop(frame);
        assert_eq!(budget.held(), 100);
        drop(part);
        assert_eq!(budget.held(), 0);
    }
}

#[test]
#[allow(clippy::unwrap_used)]
fn received_frames_charged_once() {
    let budget = budget();
    let frames = [10, 20, 30].map(|n| received(&budget, false, n, &vec![1; n]));
    for frame in &frames {
        assert!(budget.covers(frame) && budget.covers(&frame[frame.len() - 5..]));
    }
    assert!(!budget.covers(&[1; 10]));
    let copy = frames[0].to_vec();
    drop(frames);
    assert!(!budget.covers(&copy));
    assert!(budget.book().frames.is_empty());
}

#[test]
fn reserve_of_a_quarter_up_to_a_frame() {
    assert_eq!(reserve_of(4000), 1000);
    assert_eq!(reserve_of(4 * LARGEST_FRAME), LARGEST_FRAME);
    assert_eq!(reserve_of(64 * LARGEST_FRAME), LARGEST_FRAME);
}

#[test]
fn returned_reservation_is_reported() {
    let recorder = transport_testkit::Recorder::new();
    let budget = Budget::new(&SharedBudget::new(1000), recorder.observer());
    for reserved in [150, 100] {
        let frame = received(&budget, false, reserved, &[7; 100]);
        assert_eq!(recorder.memory_held(), 100);
        drop(frame);
        assert_eq!(recorder.memory_held(), 0);
    }
}

#[test]
#[allow(clippy::unwrap_used)]
fn empty_frame_holds_nothing() {
    for wiped in [false, true] {
        let budget = budget();
        let frame = received(&budget, wiped, 10, &[]);
        assert_eq!(budget.held(), 0);
        assert!(frame.is_empty());
        let free = FreeChunk::default();
        let chunk = free.take(&budget, 10).unwrap();
        let frame = ReceiveBuffer::new(wiped).take(chunk.into());
        assert!(free.take(&budget, 10).is_some());
        drop(frame);
    }
}

#[test]
fn free_chunk_taken_once_at_a_time() {
    let (budget, free) = (budget(), FreeChunk::default());
    let chunk = free.take(&budget, 10).unwrap();
    assert!(free.take(&budget, 10).is_none());
    drop(chunk);
    assert!(free.take(&budget, 10).is_some());
    assert_eq!(budget.held(), 0, "it is free of charge");
}

#[test]
fn merged_charges_given_back_once() {
    let budget = budget();
    let mut charge = budget.take(ACCOUNT, 10).unwrap();
    charge.merge(budget.take(ACCOUNT, 5).unwrap());
    assert_eq!(budget.held(), 15);
    drop(charge);
    assert_eq!(budget.held(), 0);
}

#[tokio::test]
async fn dropped_wait_passes_grant_on() {
    let budget = budget();
    let full = budget.take(ACCOUNT, 250).unwrap();
    let (mut first, second) = (budget.wait(ACCOUNT, 250), budget.wait(ACCOUNT, 250));
    let waiting =
        std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut first).poll(cx).is_pending()));
    assert!(waiting.await);
    drop(full);
    drop(first);
    drop(second.await);
    assert_eq!(budget.held(), 0);
}

#[tokio::test]
#[allow(clippy::unwrap_used)]
async fn freed_bytes_notified_per_step() {
    let budget = Budget::new(&SharedBudget::new(4 * FREED_STEP), Arc::new(NoObserver));
    let free = |bytes: u64| {
        let bytes = usize::try_from(bytes).unwrap();
        drop(budget.take(ACCOUNT, bytes).unwrap());
    };
    let (one, two) = (budget.freed(), budget.freed());
    tokio::pin!(one, two);
    assert!(!is_ready(one.as_mut()).await && !is_ready(two.as_mut()).await);
    free(FREED_STEP - 1);
    assert!(!is_ready(one.as_mut()).await && !is_ready(two.as_mut()).await);
    free(1);
    assert!(is_ready(one).await && is_ready(two).await);
    let next = budget.freed();
    tokio::pin!(next);
    assert!(!is_ready(next.as_mut()).await);
    free(FREED_STEP - 1);
    assert!(!is_ready(next.as_mut()).await, "a step begins anew");
    free(2);
    assert!(is_ready(next).await);
}

#[tokio::test]
#[allow(clippy::unwrap_used)]
async fn use_of_memory_notified() {
    let budget = budget();
    let used = budget.used();
    tokio::pin!(used);
    assert!(!is_ready(used.as_mut()).await, "nothing is charged");
    let charge = budget.take(ACCOUNT, 10).unwrap();
    assert!(is_ready(used).await);
    assert!(is_ready(budget.used()).await, "bytes are still charged");
    drop(charge);
    assert!(!is_ready(budget.used()).await);
}

#[test]
#[allow(clippy::unwrap_used)]
fn bytes_after_covered_frame_not_covered() {
    let (budget, bytes) = (budget(), [1_u8; 40]);
    let mut charge = budget.take(ACCOUNT, 10).unwrap();
    charge.cover(&bytes[10..20]);
    for (from, to, is_covered) in [
        (10, 20, true),
        (15, 20, true),
        (15, 21, false),
        (20, 21, false),
        (9, 12, false),
    ] {
        assert_eq!(budget.covers(&bytes[from..to]), is_covered, "{from}..{to}");
    }
}

async fn is_ready(future: impl Future<Output = ()>) -> bool {
    tokio::select! {
        biased;
        () = future => true,
        () = std::future::ready(()) => false,
    }
}
