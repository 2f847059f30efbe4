//! Costly responses, rendered within a share of a core.
//!
//! A response is rendered after its request arrived, so it is exact: it contains every event that
//! the client saw before it asked. Waiting requests share the next rendering. Their number is
//! bounded, so that they leave connection slots to cheap requests such as `/readyz`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::{sleep_until, Instant};

/// Rendering takes at most this part of the time.
const SHARE: u32 = 20;
/// Shortest pause after a rendering.
///
/// It leaves the core to the data plane.
const MIN_PAUSE: Duration = Duration::from_millis(5);
/// Longest pause after a rendering.
const MAX_PAUSE: Duration = Duration::from_millis(100);

/// The bound on waiting requests; all queues share it.
#[derive(Clone)]
pub(super) struct WaitLimit(Arc<Semaphore>);

impl WaitLimit {
    /// Creates a limit of three quarters of the connection slots.
    pub(super) fn new(slots: usize) -> Self {
        Self(Arc::new(Semaphore::new((slots * 3 / 4).max(1))))
    }
}

/// The renderings of one resource.
pub(super) struct RenderQueue {
    waiting: WaitLimit,
    /// Number of renderings that were started.
    started: AtomicU64,
    last: Mutex<Option<Rendered>>,
}

struct Rendered {
    key: String,
    number: u64,
    body: Bytes,
    next: Instant,
}

impl RenderQueue {
    pub(super) fn new(limit: &WaitLimit) -> Self {
        Self {
            waiting: limit.clone(),
            started: AtomicU64::new(0),
            last: Mutex::default(),
        }
    }

    /// Returns a body that was rendered after this call.
    ///
    /// Any call with this key may have rendered it.
    ///
    /// Returns `None` at once where too many requests wait.
    pub(super) async fn get(&self, key: &str, render: impl FnOnce() -> Bytes) -> Option<Bytes> {
        let _waiting = self.waiting.0.try_acquire().ok()?;
        let started = self.started.load(Ordering::Relaxed);
        let mut last = self.last.lock().await;
        if let Some(rendered) = &*last {
            sleep_until(rendered.next).await;
            if rendered.number > started && rendered.key == key {
                return Some(rendered.body.clone());
            }
        }
        let number = self.started.fetch_add(1, Ordering::Relaxed) + 1;
        let from = Instant::now();
        let body = render();
        let now = Instant::now();
        let took = now.saturating_duration_since(from);
        *last = Some(Rendered {
            key: key.to_owned(),
            number,
            body: body.clone(),
            next: now + took.saturating_mul(SHARE - 1).clamp(MIN_PAUSE, MAX_PAUSE),
        });
        Some(body)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::thread::sleep;

    use super::*;

    /// Renders 1, 2, 3 and so on, in about a millisecond each.
    struct Counter(RenderQueue, Cell<u8>);

    impl Counter {
        fn new() -> Self {
            Self(RenderQueue::new(&WaitLimit::new(4)), Cell::new(0))
        }

        async fn get(&self, key: &str) -> Option<u8> {
            let render = || {
                sleep(Duration::from_millis(1));
                self.1.set(self.1.get() + 1);
                Bytes::copy_from_slice(&[self.1.get()])
            };
            self.0.get(key, render).await.map(|body| body[0])
        }
    }

    #[tokio::test]
    async fn waiting_requests_share_next_rendering() {
        let counter = Counter::new();
        assert_eq!(counter.get("a").await, Some(1));
        let (b, c, d) = tokio::join!(counter.get("a"), counter.get("a"), counter.get("a"));
        assert_eq!((b, c, d), (Some(2), Some(2), Some(2)));
    }

    #[tokio::test]
    async fn request_beyond_wait_limit_is_refused() {
        let counter = Counter::new();
        assert_eq!(counter.get("a").await, Some(1));
        let [a, b, c, d] = [(); 4].map(|()| counter.get("a"));
        let all = tokio::join!(a, b, c, d);
        assert_eq!(all, (Some(2), Some(2), Some(2), None));
        assert_eq!(counter.get("a").await, Some(3));
    }

    #[tokio::test]
    async fn later_request_gets_later_rendering() {
        let counter = Counter::new();
        for number in 1..4 {
            assert_eq!(counter.get("a").await, Some(number));
        }
        let (a, b) = tokio::join!(counter.get("a"), counter.get("b"));
        assert_eq!((a, b), (Some(4), Some(5)), "keys are rendered apart");
    }

    #[tokio::test]
    async fn pause_is_proportional_to_rendering() {
        let counter = Counter::new();
        let begun = Instant::now();
        for _ in 0..3 {
            counter.get("a").await;
        }
        assert!(begun.elapsed() >= Duration::from_millis(2 * 20 + 1));
    }
}
