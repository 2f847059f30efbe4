//! Happy eyeballs (RFC 8305): addresses of both families in turn, each attempt a little after
//! the one before, the first to connect wins and the rest are dropped.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

/// RFC 8305 §5: the recommended delay between attempts.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// Addresses tried at most: a name that resolves to thousands must not open thousands of sockets.
const MAX_ATTEMPTS: usize = 16;

/// Connects to the first address that answers.
///
/// # Errors
/// That of the last attempt to fail, or `NotFound` without any address.
pub(super) async fn race(addrs: &[SocketAddr]) -> io::Result<TcpStream> {
    race_with(&interleave(addrs), TcpStream::connect).await
}

/// Families in turn, in the order the resolver gave within each; the first address leads.
fn interleave(addrs: &[SocketAddr]) -> Vec<SocketAddr> {
    let first_is_v6 = addrs.first().is_some_and(SocketAddr::is_ipv6);
    let (mut lead, mut other): (Vec<_>, Vec<_>) = addrs
        .iter()
        .copied()
        .partition(|addr| addr.is_ipv6() == first_is_v6);
    lead.reverse();
    other.reverse();
    let mut order = Vec::new();
    while order.len() < MAX_ATTEMPTS {
        let before = order.len();
        order.extend(lead.pop());
        order.extend(other.pop());
        if order.len() == before {
            break;
        }
    }
    order.truncate(MAX_ATTEMPTS);
    order
}

async fn race_with<S, F, Fut>(order: &[SocketAddr], connect: F) -> io::Result<S>
where
    F: Fn(SocketAddr) -> Fut,
    Fut: Future<Output = io::Result<S>>,
{
    let mut waiting = order.iter().copied();
    let mut attempts = FuturesUnordered::new();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    loop {
        match waiting.next() {
            Some(addr) => attempts.push(connect(addr)),
            None if attempts.is_empty() => return Err(last),
            None => {}
        }
        let more = waiting.len() != 0;
        tokio::select! {
            Some(result) = attempts.next() => match result {
                Ok(stream) => return Ok(stream),
                // RFC 8305 §5: a failure starts the next attempt at once.
                Err(error) => last = error,
            },
            () = sleep(ATTEMPT_DELAY), if more => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::Mutex;

    use tokio::time::Instant;

    use super::*;

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn families_alternate_and_the_number_is_bounded() {
        let addrs = ["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"].map(addr);
        let order = ["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"].map(addr);
        assert_eq!(interleave(&addrs), order);
        assert_eq!(interleave(&vec![addr("[::1]:1"); 1000]).len(), MAX_ATTEMPTS);
        assert!(interleave(&[]).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_address_is_overtaken_after_250_ms() {
        let started = Instant::now();
        let order = ["[::1]:1", "1.1.1.1:1"].map(addr);
        let won = race_with(&order, |addr| async move {
            if addr.is_ipv6() {
                pending::<()>().await;
            }
            Ok(addr)
        });
        assert_eq!(won.await.unwrap(), order[1]);
        assert_eq!(started.elapsed(), ATTEMPT_DELAY);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_starts_the_next_attempt_at_once() {
        let started = Instant::now();
        let order = ["[::1]:1", "1.1.1.1:1", "[::2]:1"].map(addr);
        let tried = Mutex::new(Vec::new());
        let won = race_with(&order, |addr| {
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
    async fn when_all_fail_the_last_failure_is_told() {
        let order = ["[::1]:1", "1.1.1.1:1"].map(addr);
        let fail = |_| async { io::Result::<()>::Err(io::ErrorKind::HostUnreachable.into()) };
        let error = race_with(&order, fail).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::HostUnreachable);
        let none = race_with(&[], fail).await.unwrap_err();
        assert_eq!(none.kind(), io::ErrorKind::NotFound);
    }
}
