//! Measures how many bytes a socket holds unsent, where the kernel does not tell what is
//! acknowledged.
//!
//! The kernel reports a socket as writable while fewer bytes than half of `TCP_NOTSENT_LOWAT` are
//! unsent (tcp(7)), so other values of that mark find the number by bisection. A wait for
//! writability alone would show progress in steps of up to 64 KiB and half the mark: the kernel
//! fills whole segments of that size.

/// The last measurement.
#[derive(Debug)]
pub(super) struct UnsentProbe {
    /// Bytes that had been written then.
    written: u64,
    /// Fewer bytes than this were unsent then.
    below: u64,
}

impl UnsentProbe {
    /// Bytes to which a measurement is exact.
    const EXACT_TO: u64 = 1 << 10;

    pub(super) const fn new() -> Self {
        Self {
            written: 0,
            below: Self::EXACT_TO,
        }
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io;

    use rustix::event::{poll, PollFd, PollFlags, Timespec};
    use socket2::SockRef;
    use tokio::net::TcpStream;

    use super::UnsentProbe;

    /// Where the search begins: more than what is unsent with the default mark.
    const LIKELY: u64 = 256 << 10;
    /// More than any send buffer holds.
    const MOST: u64 = 1 << 30;

    impl UnsentProbe {
        /// Returns how many of the `written` bytes are unsent, rounded up to
        /// [`EXACT_TO`](Self::EXACT_TO).
        ///
        /// Returns `None` where the size of the send buffer limits writes, and not the mark.
        pub(in super::super) fn measure(
            &mut self,
            stream: &TcpStream,
            written: u64,
        ) -> Option<u64> {
            let socket = SockRef::from(stream);
            let mark = socket.tcp_notsent_lowat().ok()?;
            let found = self.search(written, |bytes| {
                let bytes = u32::try_from(2 * bytes).unwrap_or(u32::MAX);
                socket.set_tcp_notsent_lowat(bytes)?;
                is_writable(stream)
            });
            // Fails only for a socket that is gone.
            let _ = socket.set_tcp_notsent_lowat(mark);
            found.ok().flatten()
        }

        /// Finds the number with `fewer`, which tells whether fewer bytes are unsent.
        pub(super) fn search(
            &mut self,
            written: u64,
            fewer: impl Fn(u64) -> io::Result<bool>,
        ) -> io::Result<Option<u64>> {
            let grown = written.saturating_sub(self.written);
            let most = (self.below + grown).min(MOST);
            let (mut low, mut high) = (0, most);
            if grown == 0 {
                // Most of the time a peer that is waited for has taken nothing since.
                low = most.saturating_sub(Self::EXACT_TO);
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
            while high - low > Self::EXACT_TO {
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
}

#[cfg(all(test, target_os = "linux"))]
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
                left < found && found <= left + UnsentProbe::EXACT_TO,
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
