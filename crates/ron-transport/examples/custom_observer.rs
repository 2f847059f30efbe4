//! An observer of the embedder's own in place of the metrics facade.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::Duration;

use ron_transport::{echo, Backend, CloseReason, Direction, Limits, Observer, Reason, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Counts with atomics.
///
/// Calls come from hot paths, so an observer must not block or lock.
#[derive(Debug, Default)]
struct Counters {
    accepted: AtomicU64,
    in_order: AtomicU64,
    rejected: AtomicU64,
    bytes_in: AtomicU64,
}

impl Observer for Counters {
    fn accepted(&self, _backend: Backend) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    fn closed(&self, _backend: Backend, reason: CloseReason) {
        if reason == CloseReason::Eof {
            self.in_order.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn rejected(&self, reason: Reason) {
        println!("rejected: {reason}");
        self.rejected.fetch_add(1, Ordering::Relaxed);
    }

    fn bytes(&self, _backend: Backend, direction: Direction, bytes: u64) {
        if direction == Direction::In {
            self.bytes_in.fetch_add(bytes, Ordering::Relaxed);
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let counters = Arc::new(Counters::default());
    let transport = Transport::builder()
        .bind_addr("127.0.0.1:0".parse()?)
        .limits(Limits::new().with_max_conns(1)?)
        .observer(Arc::clone(&counters) as Arc<dyn Observer>)
        .build()?;
    let addr = transport.listen().await?.to_string();

    let clients = async {
        let mut first = TcpStream::connect(&addr).await?;
        first.write_all(b"hello").await?;
        first.read_exact(&mut [0; 5]).await?;
        // One more than `max_conns`.
        let mut second = TcpStream::connect(&addr).await?;
        let refused = second.read(&mut [0]).await;
        assert!(matches!(refused, Ok(0) | Err(_)));
        first.shutdown().await?;
        first.read_to_end(&mut Vec::new()).await?;
        transport.wait_empty().await;
        transport.shutdown(Duration::from_secs(1)).await;
        Ok::<_, std::io::Error>(())
    };
    let (served, asked) = tokio::join!(transport.serve(echo), clients);
    served?;
    asked?;

    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    assert_eq!(count(&counters.accepted), 2);
    assert_eq!(count(&counters.rejected), 1);
    assert_eq!(count(&counters.in_order), 1);
    assert_eq!(count(&counters.bytes_in), 5);
    println!("{counters:?}");
    Ok(())
}
