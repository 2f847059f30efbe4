//! Happy Eyeballs (RFC 8305): staggered connection attempts over both address families.
//!
//! The first attempt to connect wins, and the others are dropped.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::net::TcpStream;
use tokio::time::{sleep_until, timeout, Instant};

use super::connect::connect;
use crate::TcpConfig;

/// The recommended delay between attempts (RFC 8305 §5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// Maximum of concurrent attempts.
///
/// A name with many addresses thereby opens few sockets.
const MAX_RUNNING: u8 = 16;

/// Connects to the first address that answers; returns it too.
///
/// Attempts to all addresses start in the first three quarters of `within`. No socket gets a
/// descriptor of `max_fd` or higher.
///
/// # Errors
/// The error of the last failed attempt, or `NotFound` without an address.
pub(super) async fn race(
    addrs: &[SocketAddr],
    within: Duration,
    max_fd: Option<RawFd>,
    config: &TcpConfig,
) -> io::Result<(TcpStream, SocketAddr)> {
    if let [addr] = addrs {
        return connect(*addr, max_fd, config).await;
    }
    let order = interleave(addrs);
    let schedule = AttemptSchedule::new(order.len(), within);
    race_with(&order, schedule, |addr| connect(addr, max_fd, config)).await
}

/// Alternates address families, starting with the first; keeps the order within each.
fn interleave(addrs: &[SocketAddr]) -> Vec<SocketAddr> {
    let first_is_v6 = addrs.first().is_some_and(SocketAddr::is_ipv6);
    let (mut lead, mut other): (Vec<_>, Vec<_>) = addrs
        .iter()
        .copied()
        .partition(|addr| addr.is_ipv6() == first_is_v6);
    lead.reverse();
    other.reverse();
    let mut order = Vec::with_capacity(addrs.len());
    while order.len() < addrs.len() {
        order.extend(lead.pop());
        order.extend(other.pop());
    }
    order
}

/// The start times and time limits of attempts.
#[derive(Debug, Clone, Copy)]
struct AttemptSchedule {
    addrs: usize,
    delay: Duration,
}

impl AttemptSchedule {
    fn new(addrs: usize, within: Duration) -> Self {
        let count = u32::try_from(addrs.max(1)).unwrap_or(u32::MAX);
        let delay = ATTEMPT_DELAY.min(within * 3 / 4 / count);
        Self { addrs, delay }
    }

    /// Returns the time limit of an attempt by its index.
    ///
    /// `None` for no limit. The limit ends an attempt for a later one if more than [`MAX_RUNNING`]
    /// would run.
    fn max_duration(self, number: usize) -> Option<Duration> {
        let has_limit = number + usize::from(MAX_RUNNING) < self.addrs;
        has_limit.then(|| self.delay * u32::from(MAX_RUNNING))
    }
}

async fn race_with<S, F, Fut>(
    order: &[SocketAddr],
    schedule: AttemptSchedule,
    connect: F,
) -> io::Result<S>
where
    F: Fn(SocketAddr) -> Fut,
    Fut: Future<Output = io::Result<S>>,
{
    // Yields `None` at its time limit.
    let attempt = |(number, addr): (usize, SocketAddr)| {
        let connecting = connect(addr);
        async move {
            match schedule.max_duration(number) {
                Some(limit) => timeout(limit, connecting).await.ok(),
                None => Some(connecting.await),
            }
        }
    };
    let may_start = |running: usize| running < usize::from(MAX_RUNNING);
    let mut waiting = order.iter().copied().enumerate();
    let mut attempts = FuturesUnordered::new();
    let mut next_at = Instant::now();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    loop {
        // Several at once if the delay is shorter than a timer tick.
        while Instant::now() >= next_at && waiting.len() != 0 && may_start(attempts.len()) {
            attempts.extend(waiting.next().map(attempt));
            next_at += schedule.delay;
        }
        if attempts.is_empty() && waiting.len() == 0 {
            return Err(last);
        }
        let more = waiting.len() != 0 && may_start(attempts.len());
        tokio::select! {
            Some(result) = attempts.next() => match result {
                Some(Ok(stream)) => return Ok(stream),
                // RFC 8305 §5: a failure starts the next attempt at once.
                Some(Err(error)) => (last, next_at) = (error, Instant::now()),
                None => last = io::ErrorKind::TimedOut.into(),
            },
            () = sleep_until(next_at), if more => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::Mutex;

    use super::*;

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    /// Enough time for the recommended delay.
    const AMPLE: Duration = Duration::from_secs(10);

    fn schedule(order: &[SocketAddr]) -> AttemptSchedule {
        AttemptSchedule::new(order.len(), AMPLE)
    }

    fn many(count: u16) -> Vec<SocketAddr> {
        let addr = |port| SocketAddr::from(([127, 0, 0, 1], port));
        (1..=count).map(addr).collect()
    }

    #[test]
    fn families_alternate() {
        let addrs = ["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"].map(addr);
        let order = ["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"].map(addr);
        assert_eq!(interleave(&addrs), order);
        assert_eq!(interleave(&many(1000)).len(), 1000);
        assert!(interleave(&[]).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn next_attempt_starts_after_250_ms() {
        let started = Instant::now();
        let order = ["[::1]:1", "1.1.1.1:1"].map(addr);
        let won = race_with(&order, schedule(&order), |addr| async move {
            if addr.is_ipv6() {
                pending::<()>().await;
            }
            Ok(addr)
        });
        assert_eq!(won.await.unwrap(), order[1]);
        assert_eq!(started.elapsed(), ATTEMPT_DELAY);
    }

    #[tokio::test(start_paused = true)]
    async fn refusal_starts_next_attempt_at_once() {
        let started = Instant::now();
        let order = ["[::1]:1", "1.1.1.1:1", "[::2]:1"].map(addr);
        let tried = Mutex::new(Vec::new());
        let won = race_with(&order, schedule(&order), |addr| {
            tried.lock().unwrap().push(addr);
            let refused = addr != order[2];
            async move {
                if refused {
                    return Err(io::ErrorKind::ConnectionRefused.into());
                }
                Ok(addr)
            }
        });
        assert_eq!(won.await.unwrap(), order[2]);
        assert_eq!(started.elapsed(), Duration::ZERO);
        assert_eq!(*tried.lock().unwrap(), order);
    }

    #[tokio::test(start_paused = true)]
    async fn last_error_is_returned() {
        let order = ["[::1]:1", "1.1.1.1:1"].map(addr);
        let fail = |_| async { io::Result::<()>::Err(io::ErrorKind::HostUnreachable.into()) };
        let error = race_with(&order, schedule(&order), fail).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::HostUnreachable);
        let none = race_with(&[], schedule(&[]), fail).await.unwrap_err();
        assert_eq!(none.kind(), io::ErrorKind::NotFound);
    }

    /// Only the last of many addresses answers, within the dial timeout.
    #[tokio::test(start_paused = true)]
    async fn every_address_is_tried() {
        for (count, within) in [(16, 10), (17, 10), (100, 10), (1000, 5), (4000, 5)] {
            let order = many(count);
            let within = Duration::from_secs(within);
            let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let race = race_with(&order, AttemptSchedule::new(order.len(), within), |addr| {
                let now = running.fetch_add(1, Ordering::Relaxed) + 1;
                most.fetch_max(now, Ordering::Relaxed);
                let running = RunningAttempt(&running);
                async move {
                    let _running = running;
                    if addr.port() != count {
                        pending::<()>().await;
                    }
                    Ok(addr)
                }
            });
            let won = timeout(within, race).await.unwrap().unwrap();
            assert_eq!(won.port(), count);
            let most = most.into_inner();
            assert!(
                most <= usize::from(MAX_RUNNING),
                "{most} attempts of {count}"
            );
        }
    }

    /// Decrements the counter when an attempt ends.
    struct RunningAttempt<'a>(&'a AtomicUsize);

    impl Drop for RunningAttempt<'_> {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn attempt_leaves_reserved_descriptors() {
        let error = race(&many(1), AMPLE, Some(1), &TcpConfig::default())
            .await
            .unwrap_err();
        assert_eq!(error.raw_os_error(), Some(24), "{error}");
    }
}
