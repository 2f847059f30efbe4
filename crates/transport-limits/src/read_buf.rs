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
            use_it(&mut WipeOnDrop(ReadBuf::new(&mut buffer[..most])).0)
        }
        // A stream that polls another one within its own poll.
        Err(_) => use_it(&mut WipeOnDrop(ReadBuf::new(&mut vec![0; most])).0),
    })
}

/// Ends in a wipe, also where the use of it panics.
struct WipeOnDrop<'a>(ReadBuf<'a>);

impl Drop for WipeOnDrop<'_> {
    fn drop(&mut self) {
        if wipes() {
            self.0.filled_mut().zeroize();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{catch_unwind, AssertUnwindSafe};

    use super::*;

    /// What the buffer holds when it is lent.
    fn left() -> Vec<u8> {
        with(BYTES, |buf| buf.initialize_unfilled().to_vec())
    }

    #[test]
    fn what_was_read_is_wiped_also_after_a_panic() {
        wipe_from_now_on();
        with(100, |buf| buf.put_slice(&[7; 100]));
        assert_eq!(left(), [0; BYTES]);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            with(BYTES, |buf| {
                buf.put_slice(&[7; 100]);
                panic!("on purpose");
            });
        }));
        panicked.unwrap_err();
        assert_eq!(left(), [0; BYTES]);
    }

    #[test]
    fn a_loan_within_a_loan_is_another_buffer() {
        with(10, |outer| {
            outer.put_slice(&[1; 10]);
            with(20, |inner| {
                assert_eq!(inner.remaining(), 20);
                inner.put_slice(&[2; 20]);
            });
            assert_eq!(outer.filled(), [1; 10]);
        });
    }

    #[test]
    fn no_loan_is_longer_than_the_buffer() {
        with(BYTES + 1, |buf| assert_eq!(buf.remaining(), BYTES));
    }
}
