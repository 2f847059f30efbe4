//! Measures the unsent bytes of a socket, if sock_diag(7) is not available.
//!
//! A socket is writable while fewer bytes than half of `TCP_NOTSENT_LOWAT` are unsent (tcp(7)). So
//! bisection with other values of that mark finds the number. Writability alone would show progress
//! only in steps of 64 KiB plus half the mark, because the kernel fills segments of that size.

use std::io;

use rustix::event::{poll, PollFd, PollFlags, Timespec};
use socket2::SockRef;
use tokio::net::TcpStream;

/// Start of the search: more than the unsent bytes with the default mark.
const LIKELY: u64 = 256 << 10;
/// More than any send buffer can hold.
const MOST: u64 = 1 << 30;

/// The last measurement, where the next search starts.
#[derive(Debug)]
pub(super) struct UnsentProbe {
    /// Bytes written at that time.
    written: u64,
    /// Upper bound of the unsent bytes at that time.
    below: u64,
}

impl UnsentProbe {
    /// Resolution of a measurement in bytes.
    const RESOLUTION: u64 = 1 << 10;

    pub(super) const fn new() -> Self {
        Self {
            written: 0,
            below: Self::RESOLUTION,
        }
    }

    /// Returns how many of the `written` bytes are unsent, rounded up to
    /// [`RESOLUTION`](Self::RESOLUTION).
    ///
    /// Returns `None` if the size of the send buffer limits writes instead of the mark.
    pub(super) fn measure(&mut self, stream: &TcpStream, written: u64) -> Option<u64> {
        let socket = SockRef::from(stream);
        let mark = socket.tcp_notsent_lowat().ok()?;
        let found = self.search(written, |bytes| {
            let bytes = u32::try_from(2 * bytes).unwrap_or(u32::MAX);
            socket.set_tcp_notsent_lowat(bytes)?;
            is_writable(stream)
        });
        // Fails only for a closed socket.
        let _ = socket.set_tcp_notsent_lowat(mark);
        found.ok().flatten()
    }

    /// Finds the number with `fewer`, which returns whether fewer bytes are unsent.
    fn search(
        &mut self,
        written: u64,
        fewer: impl Fn(u64) -> io::Result<bool>,
    ) -> io::Result<Option<u64>> {
        let grown = written.saturating_sub(self.written);
        let most = (self.below + grown).min(MOST);
        let (mut low, mut high) = (0, most);
        if grown == 0 {
            // The common case: the peer has read no byte since.
            low = most.saturating_sub(Self::RESOLUTION);
            if low == 0 || !fewer(low)? {
                return Ok(Some(most));
            }
            (low, high) = (0, low);
        } else {
            high = high.min(LIKELY);
            while !fewer(high)? {
                if high == most {
                    return Ok(None);
                }
                (low, high) = (high, (4 * high).min(most));
            }
        }
        while high - low > Self::RESOLUTION {
            let middle = low + (high - low) / 2;
            if fewer(middle)? {
                high = middle;
            } else {
                low = middle;
            }
        }
        (self.written, self.below) = (written, high);
        Ok(Some(high))
    }
}

fn is_writable(stream: &TcpStream) -> io::Result<bool> {
    let mut fds = [PollFd::new(stream, PollFlags::OUT)];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    poll(&mut fds, Some(&now))?;
    Ok(fds[0].revents().contains(PollFlags::OUT))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn search_finds_unsent_bytes_to_1_kib() {
        let mut unsent = UnsentProbe::new();
        let mut written = 0;
        for (more, left) in [
            (100, 100),
            (70_000, 65_536),
            (0, 65_535),
            (0, 1),
            (5 << 20, 5 << 20),
            (1, 0),
            (0, 0),
        ] {
            written += more;
            let found = unsent.search(written, |bytes| Ok(left < bytes)).unwrap();
            let found = found.unwrap();
            assert!(
                left < found && found <= left + UnsentProbe::RESOLUTION,
                "{left}: {found}"
            );
        }
    }

    #[test]
    fn unchanged_queue_costs_one_probe() {
        let mut unsent = UnsentProbe::new();
        unsent.search(100_000, |bytes| Ok(80_000 < bytes)).unwrap();
        let probes = Cell::new(0);
        let again = unsent.search(100_000, |bytes| {
            probes.set(probes.get() + 1);
            Ok(80_000 < bytes)
        });
        assert!(again.unwrap().is_some_and(|found| found > 80_000));
        assert_eq!(probes.get(), 1);
    }

    #[test]
    fn full_send_buffer_is_not_measured() {
        let found = UnsentProbe::new().search(1 << 20, |_| Ok(false));
        assert_eq!(found.unwrap(), None);
    }
}
