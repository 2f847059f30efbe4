//! Replies of SOCKS5 and HTTP proxies, fed in any pieces.
//!
//! The first byte selects protocol and credentials. The result does not depend on the pieces, and no
//! byte after the reply is taken.

use transport_proxy::{TunnelError, TunnelHandshake, ViaProxy};

use crate::pieces::PieceSizes;

/// Most bytes of a reply: the head of an HTTP reply.
const MAX_REPLY_BYTES: usize = 8 << 10;
const PROXIES: [&str; 4] = [
    "socks5://proxy.test:1",
    "socks5://user:password@proxy.test:1",
    "http://proxy.test:1",
    "http://user:password@proxy.test:1",
];

pub(crate) fn run(bytes: &[u8]) {
    let Some((first, reply)) = bytes.split_first() else {
        return;
    };
    let proxy = PROXIES[usize::from(*first) % PROXIES.len()];
    let opened = read(proxy, reply, std::iter::repeat(usize::MAX));
    assert_eq!(read(proxy, reply, PieceSizes::of(bytes)), opened);
    assert_eq!(read(proxy, reply, std::iter::repeat(1)), opened);
    let Ok(Some(used)) = opened else {
        return;
    };
    let whole = std::iter::repeat(usize::MAX);
    assert_eq!(read(proxy, &reply[..used], whole.clone()), Ok(Some(used)));
    assert_eq!(read(proxy, &reply[..used - 1], whole), Ok(None));
}

/// Feeds pieces of at most the wanted length, as from a socket.
///
/// Returns the length of the reply, or `None` if bytes are missing.
fn read(
    proxy: &str,
    reply: &[u8],
    pieces: impl Iterator<Item = usize>,
) -> Result<Option<usize>, TunnelError> {
    let proxy: ViaProxy = proxy.parse().expect("a valid URL");
    let target = "target.test:2".parse().expect("a valid target");
    let mut tunnel = TunnelHandshake::new(&proxy, &target).expect("a name and a port");
    let mut at = 0;
    for piece in pieces {
        let _ = tunnel.output();
        let rest = &reply[at..];
        if tunnel.is_open() || rest.is_empty() {
            break;
        }
        let piece = &rest[..piece.min(tunnel.wanted()).min(rest.len())];
        assert_eq!(
            tunnel.feed(piece)?,
            piece.len(),
            "a wanted byte is not taken"
        );
        at += piece.len();
        assert!(at <= MAX_REPLY_BYTES, "{at} bytes");
    }
    Ok(tunnel.is_open().then_some(at))
}
