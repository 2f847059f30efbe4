//! One read buffer for each thread, lent for the length of a poll: an idle connection holds none,
//! and a connection's memory grows with the bytes that arrived and not with what it may get.
//!
//! With amnesia what was read is wiped as soon as the loan ends. A thread serves every transport of
//! the process, so the first that asks for amnesia asks for all.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::ReadBuf;
use zeroize::Zeroize;

/// Size of the buffer in bytes: what one read moves at most. The default chunk.
pub(crate) const BYTES: usize = 64 << 10;

static WIPES: AtomicBool = AtomicBool::new(false);

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Wipes what is read, in the whole process and for good.
pub(crate) fn wipe_from_now_on() {
    WIPES.store(true, Ordering::Relaxed);
}

/// Whether what is read is wiped.
pub(crate) fn wipes() -> bool {
    WIPES.load(Ordering::Relaxed)
}

/// Lends up to `most` bytes of the thread's buffer.
pub(crate) fn with<T>(most: usize, use_it: impl FnOnce(&mut ReadBuf<'_>) -> T) -> T {
    let most = most.min(BYTES);
    SCRATCH.with(|scratch| match scratch.try_borrow_mut() {
        Ok(mut buffer) => {
            if buffer.is_empty() {
                buffer.resize(BYTES, 0);
            }
            use_it(&mut Loan(ReadBuf::new(&mut buffer[..most])).0)
        }
        // A stream that polls another one within its own poll.
        Err(_) => use_it(&mut Loan(ReadBuf::new(&mut vec![0; most])).0),
    })
}

/// Ends in a wipe, also where the use of it panics.
struct Loan<'a>(ReadBuf<'a>);

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        if wipes() {
            self.0.filled_mut().zeroize();
        }
    }
}
