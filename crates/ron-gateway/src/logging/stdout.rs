//! Standard output without the buffer of the standard library. That buffer keeps bytes whose write
//! failed, so that it is unknown which lines are lost.

use std::io::{self, stdout, Write};

/// The descriptor itself.
pub(super) struct UnbufferedStdout;

impl Write for UnbufferedStdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(stdout(), bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
