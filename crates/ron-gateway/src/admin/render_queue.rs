//! Answers that cost work, made within a share of a core however often they are asked for.
//!
//! An answer is made after the request for it has come, so it is exact: it has every event that the
//! client saw before it asked. Requests that wait for their turn share the next answer.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Mutex;
use tokio::time::{sleep_until, Instant};

/// Making answers takes at most this part of the time.
const SHARE: u32 = 20;
/// Shortest pause after an answer: several in a row would keep a core from the data plane.
const GAP: Duration = Duration::from_millis(5);
/// Longest pause after an answer was made.
const MAX_PAUSE: Duration = Duration::from_millis(100);

/// One kind of answer.
#[derive(Default)]
pub(super) struct RenderQueue {
    /// How many were begun.
    begun: AtomicU64,
    last: Mutex<Option<Rendered>>,
}

struct Rendered {
    key: String,
    number: u64,
    body: Bytes,
    next: Instant,
}

impl RenderQueue {
    /// Returns an answer that was begun after this call, made by this call or another one with the
    /// same key.
    pub(super) async fn get(&self, key: &str, make: impl FnOnce() -> Bytes) -> Bytes {
        let begun = self.begun.load(Ordering::Relaxed);
        let mut last = self.last.lock().await;
        if let Some(made) = &mut *last {
            sleep_until(made.next).await;
            if made.number > begun && made.key == key {
                made.next = Instant::now() + GAP;
                return made.body.clone();
            }
        }
        let number = self.begun.fetch_add(1, Ordering::Relaxed) + 1;
        let from = Instant::now();
        let body = make();
        let now = Instant::now();
        let took = now.saturating_duration_since(from);
        *last = Some(Rendered {
            key: key.to_owned(),
            number,
            body: body.clone(),
            next: now + took.saturating_mul(SHARE - 1).clamp(GAP, MAX_PAUSE),
        });
        body
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::thread::sleep;

    use super::*;

    /// Makes 1, 2, 3 and so on, in about a millisecond each.
    struct Source(RenderQueue, Cell<u8>);

    impl Source {
        fn new() -> Self {
            Self(RenderQueue::default(), Cell::new(0))
        }

        async fn get(&self, key: &str) -> u8 {
            let make = || {
                sleep(Duration::from_millis(1));
                self.1.set(self.1.get() + 1);
                Bytes::copy_from_slice(&[self.1.get()])
            };
            self.0.get(key, make).await[0]
        }
    }

    #[tokio::test]
    async fn waiting_requests_share_the_next_answer() {
        let source = Source::new();
        assert_eq!(source.get("a").await, 1);
        let (b, c, d) = tokio::join!(source.get("a"), source.get("a"), source.get("a"));
        assert_eq!((b, c, d), (2, 2, 2));
    }

    #[tokio::test]
    async fn later_request_gets_a_later_answer() {
        let source = Source::new();
        for number in 1..4 {
            assert_eq!(source.get("a").await, number);
        }
        let (a, b) = tokio::join!(source.get("a"), source.get("b"));
        assert_eq!((a, b), (4, 5), "other keys are other answers");
    }

    #[tokio::test]
    async fn pause_follows_the_work() {
        let source = Source::new();
        let begun = Instant::now();
        for _ in 0..3 {
            source.get("a").await;
        }
        assert!(begun.elapsed() >= Duration::from_millis(2 * 20 + 1));
    }
}
