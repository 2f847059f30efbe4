//! Standard output without the standard library's buffer.
//!
//! That buffer keeps bytes of a failed write, so that the lost lines would be unknown.

use std::io::{self, stdout, Write};

/// Standard output, written directly to its descriptor.
pub(super) struct UnbufferedStdout;

impl Write for UnbufferedStdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(stdout(), bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
