//! One read buffer for each thread, lent for the length of a poll: an idle connection holds none,
//! and a connection's memory grows with the bytes that arrived and not with what it may get.

use std::cell::RefCell;

/// Size of the buffer in bytes: what one read moves at most. The default chunk.
pub(crate) const SCRATCH_BYTES: usize = 64 << 10;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Lends the thread's buffer; what it holds is left from an earlier use and means nothing.
pub(crate) fn with<T>(use_it: impl FnOnce(&mut [u8]) -> T) -> T {
    SCRATCH.with(|scratch| match scratch.try_borrow_mut() {
        Ok(mut buffer) => {
            if buffer.is_empty() {
                buffer.resize(SCRATCH_BYTES, 0);
            }
            use_it(&mut buffer)
        }
        // A stream that polls another one within its own poll.
        Err(_) => use_it(&mut vec![0; SCRATCH_BYTES]),
    })
}
