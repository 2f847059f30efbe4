//! Charges and holds, as reader and writer use them.

use bytes::Bytes;
use transport_core::NoObserver;

use super::*;
use crate::buffer::ReceiveBuffer;

fn budget() -> Budget {
    Budget::new(1000, Arc::new(NoObserver))
}

const ME: MemoryAccount = MemoryAccount::Conn(1);

#[allow(clippy::unwrap_used)]
fn received(budget: &Budget, wiped: bool, reserved: usize, body: &[u8]) -> Bytes {
    let charge = budget.take(ME, reserved).unwrap();
    let mut buffer = ReceiveBuffer::new(wiped);
    buffer.extend(body, body.len());
    buffer.take(charge.into())
}

#[test]
fn charge_lasts_until_the_last_clone() {
    for wiped in [false, true] {
        let budget = budget();
        let frame = received(&budget, wiped, 150, &[7; 100]);
        assert_eq!(budget.held(), 100, "what it does not need is given back");
        let part = frame.slice(90..);
        drop(frame);
        assert_eq!(budget.held(), 100);
        drop(part);
        assert_eq!(budget.held(), 0);
    }
}

#[test]
#[allow(clippy::unwrap_used)]
fn received_frames_are_not_charged_again() {
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
fn spare_chunk_is_one_at_a_time() {
    let (budget, spare) = (budget(), FreeChunk::default());
    let chunk = spare.take(&budget, 10).unwrap();
    assert!(spare.take(&budget, 10).is_none());
    drop(chunk);
    assert!(spare.take(&budget, 10).is_some());
    assert_eq!(budget.held(), 0, "it is free of charge");
}

#[test]
fn merged_charges_are_given_back_once() {
    let budget = budget();
    let mut charge = budget.take(ME, 10).unwrap();
    charge.merge(budget.take(ME, 5).unwrap());
    assert_eq!(budget.held(), 15);
    drop(charge);
    assert_eq!(budget.held(), 0);
}

#[tokio::test]
async fn dropped_wait_passes_its_grant_on() {
    let budget = budget();
    let full = budget.take(ME, 250).unwrap();
    let (mut first, second) = (budget.wait(ME, 250), budget.wait(ME, 250));
    let waiting =
        std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut first).poll(cx).is_pending()));
    assert!(waiting.await);
    drop(full);
    drop(first);
    drop(second.await);
    assert_eq!(budget.held(), 0);
}
