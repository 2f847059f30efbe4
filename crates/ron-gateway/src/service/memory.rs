//! Returns freed memory to the system.
//!
//! The allocator keeps freed pages for a second, and longer while no thread requests a page. An
//! idle process would keep the memory of a burst, and a loaded one would take fresh pages in
//! addition to freed ones: its memory would exceed the budget by the pages freed since the last purge.

use std::hint::black_box;
use std::time::Duration;

use ron_transport::limits::Limiter;
use tokio::time::timeout;

/// Interval of purges while the budget is in use.
const IN_USE: Duration = Duration::from_millis(20);
/// Interval of purges otherwise: for the memory of handshakes and TLS.
const IDLE: Duration = Duration::from_secs(5);

/// Purges freed memory periodically, indefinitely.
pub(super) async fn give_back(limiter: Limiter) {
    loop {
        while limiter.memory_held() != 0 {
            // Either wake-up is followed by a purge.
            let _ = timeout(IN_USE, limiter.memory_freed()).await;
            purge();
        }
        // Either wake-up, by use or by time, is followed by a purge.
        let _ = timeout(IDLE, limiter.memory_used()).await;
        purge();
    }
}

/// Makes the allocator purge its free pages.
///
/// The request exceeds any allocator. Before mimalloc rejects it, it collects the memory that the
/// thread freed and purges all free pages (`mi_collect`, which is unsafe to call).
fn purge() {
    let mut block = Vec::<u8>::new();
    let refused = block.try_reserve_exact(isize::MAX.unsigned_abs());
    let _ = black_box((refused, block));
}
