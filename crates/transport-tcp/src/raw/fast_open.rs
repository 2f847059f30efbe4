//! TCP Fast Open (RFC 7413), by options that only Linux has.

use std::io;
use std::os::fd::AsFd;

use nix::sys::socket::{setsockopt, sockopt::TcpFastOpenConnect};
use nix::{getsockopt_impl, libc, setsockopt_impl, sockopt_impl};

sockopt_impl!(
    /// Connections that may send data in their SYN.
    FastOpenQueue,
    Both,
    libc::IPPROTO_TCP,
    libc::TCP_FASTOPEN,
    u32
);

/// Lets clients of a listener send data in their SYN.
pub(super) fn allow(listener: &impl AsFd, queue: u32) -> io::Result<()> {
    Ok(setsockopt(listener, FastOpenQueue, &queue)?)
}

/// Sends the first write of a socket in its SYN, if possible.
pub(super) fn use_at_connect(socket: &impl AsFd) {
    // Without permission or a cookie the connection opens as usual; `check` warns of the former.
    let _ = setsockopt(socket, TcpFastOpenConnect, &true);
}

/// Returns the queue of a listener.
#[cfg(test)]
pub(super) fn queue(listener: &impl AsFd) -> u32 {
    nix::sys::socket::getsockopt(listener, FastOpenQueue).unwrap()
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::super::open::BindPlan;
    use super::*;
    use crate::TcpConfig;

    #[test]
    fn queue_length_is_read_back() {
        for wanted in [0, 16] {
            let mut config = TcpConfig::default();
            config.set_fast_open(wanted).unwrap();
            let plan = BindPlan {
                addr: SocketAddr::from(([127, 0, 0, 1], 0)),
                only_v6: false,
                config: &config,
            };
            let socket = plan.open(1).unwrap().remove(0);
            assert_eq!(u64::from(queue(&socket.inner)), wanted);
        }
    }
}
