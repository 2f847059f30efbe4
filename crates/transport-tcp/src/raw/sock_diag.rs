//! Unacknowledged bytes of a connection, from the kernel (sock_diag(7)).

use std::net::{IpAddr, SocketAddr};

use rustix::net::{netlink, recv, send, socket_with, AddressFamily, RecvFlags, SendFlags};
use rustix::net::{SocketFlags, SocketType};
use tokio::net::TcpStream;
use transport_core::Taken;

/// `SOCK_DIAG_BY_FAMILY`, the type of request and answer.
const BY_FAMILY: u16 = 20;
/// `NLM_F_REQUEST`.
const REQUEST: u16 = 1;
const IPPROTO_TCP: u8 = 6;
/// Length of `struct nlmsghdr`, and with a `struct inet_diag_req_v2`, in bytes.
const HEADER: usize = 16;
const REQUEST_LEN: u32 = 72;
/// Offsets of `idiag_rqueue` and `idiag_wqueue` in `struct inet_diag_msg`, and its length.
const RQUEUE: usize = 56;
const WQUEUE: usize = 60;
const MESSAGE: usize = 72;
/// `INET_DIAG_INFO`: the attribute with a `struct tcp_info`.
const INFO: u16 = 2;
/// Offsets of `tcpi_snd_mss`, `tcpi_unacked` and `tcpi_sacked` in `struct tcp_info`.
const SND_MSS: usize = 16;
const UNACKED: usize = 24;
const SACKED: usize = 28;

/// Written bytes that the peer has not acknowledged or read.
#[derive(Debug, Clone, Copy)]
pub(super) struct SendQueueState {
    unacknowledged: u64,
    /// Whether any of them was sent.
    in_flight: bool,
    /// Acknowledged and unread bytes; known for a peer on this host.
    unread: Option<u64>,
}

impl SendQueueState {
    /// Returns how many of the `written` bytes the peer has taken.
    pub(super) fn taken(self, written: u64) -> Taken {
        let acknowledged = written.saturating_sub(self.unacknowledged);
        match self.unread {
            Some(unread) => Taken::Read(acknowledged.saturating_sub(unread)),
            None => Taken::Acknowledged {
                bytes: acknowledged,
                in_flight: self.in_flight,
            },
        }
    }
}

/// Returns the send queue; `None` if the kernel or a sandbox does not answer.
///
/// It includes bytes that a peer on this host has not read. On loopback the receiver's kernel keeps
/// up to its whole receive buffer as one segment, and opens the window once all of it is read. So
/// acknowledgements alone would show no progress of a slow reader for seconds.
pub(super) fn send_queue_state(stream: &TcpStream) -> Option<SendQueueState> {
    let (local, peer) = (stream.local_addr().ok()?, stream.peer_addr().ok()?);
    let answer = query(local, peer)?;
    let unacknowledged = unacknowledged_bytes(&answer)?;
    let unacked = info(message(&answer)?).and_then(|info| number(info, UNACKED));
    let on_this_host = peer.ip().to_canonical() == local.ip().to_canonical()
        || peer.ip().to_canonical().is_loopback();
    let unread = if on_this_host {
        // `None` for a peer in another network namespace.
        query(peer, local).and_then(|answer| number(message(&answer)?, RQUEUE))
    } else {
        None
    };
    Some(SendQueueState {
        unacknowledged,
        in_flight: unacked != Some(0),
        unread,
    })
}

/// Returns the written bytes that the peer has not acknowledged, sent or not.
///
/// Selectively acknowledged bytes (RFC 2018) count as acknowledged: while a lost segment is
/// retransmitted, the cumulative acknowledgement does not move for a round trip or more. Returns
/// `None` if the kernel or a sandbox does not answer.
pub(super) fn unacknowledged(stream: &TcpStream) -> Option<u64> {
    unacknowledged_bytes(&query(stream.local_addr().ok()?, stream.peer_addr().ok()?)?)
}

/// Queries the socket with these addresses.
fn query(local: SocketAddr, peer: SocketAddr) -> Option<Vec<u8>> {
    let request = request(local, peer)?;
    let kernel = socket_with(
        AddressFamily::NETLINK,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        Some(netlink::SOCK_DIAG),
    );
    let kernel = kernel.ok()?;
    send(&kernel, &request, SendFlags::DONTWAIT).ok()?;
    let mut answer = vec![0; 1024];
    let (len, _) = recv(&kernel, &mut answer[..], RecvFlags::DONTWAIT).ok()?;
    answer.truncate(len);
    Some(answer)
}

fn request(local: SocketAddr, peer: SocketAddr) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.extend(REQUEST_LEN.to_ne_bytes());
    bytes.extend(BY_FAMILY.to_ne_bytes());
    bytes.extend(REQUEST.to_ne_bytes());
    bytes.extend([0; 8]);
    let (from, to) = (local.ip().to_canonical(), peer.ip().to_canonical());
    let family = match (from, to) {
        (IpAddr::V4(_), IpAddr::V4(_)) => AddressFamily::INET,
        (IpAddr::V6(_), IpAddr::V6(_)) => AddressFamily::INET6,
        _ => return None,
    };
    bytes.extend([
        u8::try_from(family.as_raw()).ok()?,
        IPPROTO_TCP,
        1 << (INFO - 1),
        0,
    ]);
    // Sockets in every state.
    bytes.extend(u32::MAX.to_ne_bytes());
    bytes.extend(local.port().to_be_bytes());
    bytes.extend(peer.port().to_be_bytes());
    for ip in [from, to] {
        match ip {
            IpAddr::V4(ip) => {
                bytes.extend(ip.octets());
                bytes.extend([0; 12]);
            }
            IpAddr::V6(ip) => bytes.extend(ip.octets()),
        }
    }
    // Any interface and any cookie.
    bytes.extend([0; 4]);
    bytes.extend([u8::MAX; 8]);
    Some(bytes)
}

/// Returns the `struct inet_diag_msg` with its attributes; `None` for an error.
fn message(answer: &[u8]) -> Option<&[u8]> {
    let kind = answer.get(4..6)?;
    if kind != BY_FAMILY.to_ne_bytes() {
        return None;
    }
    answer.get(HEADER..)
}

fn unacknowledged_bytes(answer: &[u8]) -> Option<u64> {
    let message = message(answer)?;
    let queued = number(message, WQUEUE)?;
    let sacked = info(message).map_or(0, |info| {
        number(info, SACKED).unwrap_or(0) * number(info, SND_MSS).unwrap_or(0)
    });
    Some(queued.saturating_sub(sacked))
}

/// Returns the `struct tcp_info` among the attributes of a message.
fn info(message: &[u8]) -> Option<&[u8]> {
    let mut attributes = message.get(MESSAGE..)?;
    while let Some(&[a, b, c, d]) = attributes.get(..4) {
        let (len, kind) = (u16::from_ne_bytes([a, b]), u16::from_ne_bytes([c, d]));
        if kind == INFO {
            return attributes.get(4..);
        }
        let len = usize::from(len).max(4).next_multiple_of(4);
        attributes = attributes.get(len..)?;
    }
    None
}

fn number(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(u64::from(u32::from_ne_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn unacknowledged_bytes_follow_the_peer() {
        for any in ["127.0.0.1:0", "[::1]:0", "[::]:0"] {
            let Ok(listener) = TcpListener::bind(any).await else {
                continue;
            };
            let addr = listener.local_addr().unwrap();
            let to = match any {
                "[::]:0" => SocketAddr::from(([127, 0, 0, 1], addr.port())),
                _ => addr,
            };
            let mut client = TcpStream::connect(to).await.unwrap();
            let (mut ours, _) = listener.accept().await.unwrap();
            if unacknowledged(&ours).is_none() {
                // Skipped in a sandbox without netlink.
                return;
            }
            ours.write_all(&[7; 1000]).await.unwrap();
            client.read_exact(&mut [0; 1000]).await.unwrap();
            while unacknowledged(&ours) != Some(0) {
                tokio::task::yield_now().await;
            }
            while ours.try_write(&[7; 64 << 10]).is_ok() {}
            let before = send_queue_state(&ours).unwrap().taken(1 << 30);
            client.read_exact(&mut [0; 1000]).await.unwrap();
            let after = send_queue_state(&ours).unwrap().taken(1 << 30);
            assert!(matches!(after, Taken::Read(_)), "the peer is on this host");
            assert_eq!(after.bytes() - before.bytes(), 1000, "read by the peer");
            assert!(unacknowledged(&ours).is_some_and(|bytes| bytes > 64 << 10));
        }
    }

    #[test]
    fn sacked_segments_count_as_acknowledged() {
        let mut answer = vec![0; HEADER + MESSAGE];
        answer[4..6].copy_from_slice(&BY_FAMILY.to_ne_bytes());
        answer[HEADER + WQUEUE..][..4].copy_from_slice(&10_000_u32.to_ne_bytes());
        assert_eq!(unacknowledged_bytes(&answer), Some(10_000));
        // A padded attribute of one byte precedes the wanted one.
        answer.extend(5_u16.to_ne_bytes());
        answer.extend(8_u16.to_ne_bytes());
        answer.extend([1, 0, 0, 0]);
        let mut info = [0; 36];
        info[..2].copy_from_slice(&36_u16.to_ne_bytes());
        info[2..4].copy_from_slice(&INFO.to_ne_bytes());
        info[4 + SND_MSS..][..4].copy_from_slice(&1000_u32.to_ne_bytes());
        info[4 + SACKED..][..4].copy_from_slice(&3_u32.to_ne_bytes());
        answer.extend(info);
        assert_eq!(unacknowledged_bytes(&answer), Some(7000));
    }

    #[test]
    fn error_answer_is_none() {
        let mut answer = [0; 100];
        answer[4] = 2;
        assert_eq!(unacknowledged_bytes(&answer), None);
        assert_eq!(unacknowledged_bytes(&BY_FAMILY.to_ne_bytes()), None);
    }
}
