//! Returns freed memory to the system.
//!
//! The allocator keeps freed pages for a second, and for longer where no thread asks it for a page.
//! A process that has become idle would keep the memory of a burst, and one that is under load would
//! take fresh pages beside the freed ones.

use std::hint::black_box;
use std::time::Duration;

use ron_transport::limits::Limiter;
use tokio::time::{sleep, timeout};

/// How often memory is returned while the budget is in use.
const IN_USE: Duration = Duration::from_millis(20);
/// How often it is returned else: the memory of handshakes and of TLS.
const IDLE: Duration = Duration::from_secs(5);

/// Returns memory from time to time, indefinitely.
pub(super) async fn give_back(limiter: Limiter) {
    loop {
        while limiter.memory_held() != 0 {
            sleep(IN_USE).await;
            purge();
        }
        // Whether it is in use again, or only time has passed.
        let _ = timeout(IDLE, limiter.memory_used()).await;
        purge();
    }
}

/// Asks for more than any allocator has. Before it refuses, mimalloc collects what the thread has
/// freed and purges all free pages (`mi_collect`, which is unsafe to call).
fn purge() {
    let mut block = Vec::<u8>::new();
    let refused = block.try_reserve_exact(isize::MAX.unsigned_abs());
    let _ = black_box((refused, block));
}
