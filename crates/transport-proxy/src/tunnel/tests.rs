use proptest::collection::vec;
use proptest::prelude::*;
use transport_core::ViaErrorKind;

use super::*;

type Outcome = Result<usize, TunnelError>;

fn tunnel(proxy: &str, to: &str) -> TunnelHandshake {
    TunnelHandshake::new(&proxy.parse().unwrap(), &to.parse().unwrap()).unwrap()
}

const SOCKS: &str = "socks5://proxy:1080";
const SOCKS_PASSWORD: &str = "socks5://me:secret@proxy:1080";
const HTTP: &str = "http://proxy:3128";

/// Feeds the bytes whole; returns how many belong to the reply.
fn whole(proxy: &str, bytes: &[u8]) -> Outcome {
    let mut tunnel = tunnel(proxy, "db.example:5432");
    let used = tunnel.feed(bytes)?;
    Ok(used)
}

/// Feeds the wanted bytes, at most `piece` at a time.
fn pieces(proxy: &str, bytes: &[u8], piece: usize) -> Outcome {
    let mut tunnel = tunnel(proxy, "db.example:5432");
    let mut used = 0;
    while used < bytes.len() && !tunnel.is_open() {
        let take = tunnel.wanted().min(piece).min(bytes.len() - used);
        let fed = tunnel.feed(&bytes[used..used + take])?;
        assert_eq!(fed, take, "every wanted byte belongs to the reply");
        used += fed;
    }
    Ok(used)
}

#[test]
fn socks5_sends_name_unresolved() {
    let mut tunnel = tunnel(SOCKS, "db.example:5432");
    assert_eq!(tunnel.output().as_slice(), [5, 1, 0]);
    assert_eq!(tunnel.wanted(), 2);
    assert_eq!(tunnel.feed(&[5, 0]), Ok(2));
    let request = [&[5, 1, 0, 3, 10][..], b"db.example", &[0x15, 0x38]].concat();
    assert_eq!(*tunnel.output(), request);
    assert!(tunnel.output().is_empty());
    let reply = [5, 0, 0, 1, 0, 0, 0, 0, 0, 0, b'x'];
    assert_eq!(tunnel.feed(&reply), Ok(10));
    assert!(tunnel.is_open());
    assert_eq!(tunnel.feed(b"y"), Ok(0));
}

#[test]
fn socks5_sends_addresses_as_bytes() {
    for (to, address) in [
        ("192.0.2.7:80", [&[1][..], &[192, 0, 2, 7]].concat()),
        ("[::1]:80", [&[4][..], &[0; 15], &[1]].concat()),
    ] {
        let mut tunnel = tunnel(SOCKS, to);
        tunnel.feed(&[5, 0]).unwrap();
        let request = [&[5, 1, 0][..], &address, &[0, 80]].concat();
        assert_eq!(*tunnel.output(), request);
    }
}

#[test]
fn socks5_password_only_on_request() {
    let mut tunnel = tunnel(SOCKS_PASSWORD, "db.example:5432");
    assert_eq!(tunnel.output().as_slice(), [5, 2, 0, 2]);
    tunnel.feed(&[5, 2]).unwrap();
    assert_eq!(tunnel.output().as_slice(), b"\x01\x02me\x06secret");
    tunnel.feed(&[1, 0]).unwrap();
    assert!(tunnel.output().starts_with(&[5, 1, 0, 3]));

    let mut open = self::tunnel(SOCKS_PASSWORD, "db.example:5432");
    drop(open.output());
    open.feed(&[5, 0]).unwrap();
    assert!(open.output().starts_with(&[5, 1, 0, 3]));
}

#[test]
fn socks5_failures_are_typed() {
    use ViaErrorKind::{Auth, Malformed, Refused};
    for (proxy, bytes, kind) in [
        (SOCKS, &[5, 0xff][..], Auth),
        (SOCKS_PASSWORD, &[5, 0xff], Auth),
        (SOCKS, &[5, 2], Malformed),
        (SOCKS, &[5, 1], Malformed),
        (SOCKS, b"HTTP/1.1 400", Malformed),
        (SOCKS_PASSWORD, &[5, 2, 1, 1], Auth),
        (SOCKS_PASSWORD, &[5, 2, 5, 0], Malformed),
        (SOCKS, &[5, 0, 4, 0], Malformed),
        (SOCKS, &[5, 0, 5, 5], Refused),
        (SOCKS, &[5, 0, 5, 2, 0, 1], Refused),
        (SOCKS, &[5, 0, 5, 0, 0, 2], Malformed),
    ] {
        let error = whole(proxy, bytes).unwrap_err();
        assert_eq!(error.kind(), kind, "{bytes:?}: {error}");
    }
}

#[test]
fn connect_request_has_credentials() {
    let mut plain = tunnel(HTTP, "[2001:db8::1]:443");
    let text = "CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\r\n";
    assert_eq!(plain.output().as_slice(), text.as_bytes());
    let mut with = tunnel("http://Aladdin:open%20sesame@proxy:1", "a.example:1");
    let output = with.output();
    let text = String::from_utf8(output.to_vec()).unwrap();
    // The example of RFC 7617 §2.
    let line = "\r\nProxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n";
    assert!(text.ends_with(line), "{text}");
}

#[test]
fn connect_replies_open_tunnel() {
    for head in [
        "HTTP/1.1 200 Connection established\r\n\r\n",
        "HTTP/1.0 200\r\n\r\n",
        "HTTP/1.1 204 \r\nVia: 1.1 a\r\nContent-Length: 9\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    ] {
        let bytes = format!("{head}220 smtp.example\r\n");
        for piece in [1, 2, 3, 7, usize::MAX] {
            assert_eq!(
                pieces(HTTP, bytes.as_bytes(), piece),
                Ok(head.len()),
                "{head}"
            );
        }
        assert_eq!(whole(HTTP, bytes.as_bytes()), Ok(head.len()), "{head}");
    }
}

#[test]
fn connect_failures_are_typed() {
    use ViaErrorKind::{Auth, Malformed, Refused};
    for (text, kind) in [
        ("HTTP/1.1 407 Proxy Authentication Required\r\n", Auth),
        ("HTTP/1.1 403 Forbidden\r\n", Refused),
        ("HTTP/1.1 503", Refused),
        ("HTTP/1.1 101 Switching Protocols\r\n\r\n", Refused),
        ("HTTP/1.1 302 Found\r\n", Refused),
        ("HTTP/2.0 200 OK\r\n\r\n", Malformed),
        ("HTTP/1.1 20x OK\r\n\r\n", Malformed),
        ("HTTP/1.1 2000 OK\r\n\r\n", Malformed),
        ("HTTP/1.1 200 OK\n\n", Malformed),
        ("HTTP/1.1 200 OK\rX\r\n\r\n", Malformed),
        ("HTTP/1.1 200 OK\r\nA: b\r\r\n", Malformed),
        ("SSH-2.0-OpenSSH_9.2\r\n", Malformed),
        ("\u{5}\u{0}", Malformed),
    ] {
        let error = whole(HTTP, text.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), kind, "{text:?}: {error}");
    }
}

#[test]
fn connect_head_is_bounded() {
    let head = |bytes: usize| {
        let start = "HTTP/1.1 200 OK\r\nA: ";
        format!("{start}{}\r\n\r\n", "x".repeat(bytes - start.len() - 4))
    };
    let fits = head(MAX_HEAD_BYTES);
    assert_eq!(whole(HTTP, fits.as_bytes()), Ok(MAX_HEAD_BYTES));
    let over = head(MAX_HEAD_BYTES + 1);
    assert_eq!(whole(HTTP, over.as_bytes()), Err(TunnelError::TooLarge));
    let interim = "HTTP/1.1 100 Continue\r\n\r\n".repeat(500);
    assert_eq!(whole(HTTP, interim.as_bytes()), Err(TunnelError::TooLarge));
}

#[test]
fn targets_without_host_are_unsupported() {
    let proxy = SOCKS.parse().unwrap();
    for to in [
        Target::Unix("/run/socket".into()),
        Target::custom("vsock", "3:1").unwrap(),
        "abc.onion:80".parse().unwrap(),
    ] {
        let error = TunnelHandshake::new(&proxy, &to).unwrap_err();
        assert_eq!(error.kind(), "unsupported", "{error}");
    }
}

#[test]
fn debug_hides_credentials() {
    for proxy in [SOCKS_PASSWORD, "http://me:secret@proxy:1"] {
        let shown = format!("{:?}", tunnel(proxy, "a:1"));
        assert!(
            !shown.contains("secret") && !shown.contains("115"),
            "{shown}"
        );
    }
}

/// Bytes that are close to replies of a proxy.
fn replies() -> impl Strategy<Value = (&'static str, Vec<u8>)> {
    let address = prop_oneof![
        vec(any::<u8>(), 4).prop_map(|ip| [vec![1], ip].concat()),
        vec(any::<u8>(), 16).prop_map(|ip| [vec![4], ip].concat()),
        vec(any::<u8>(), 0..=255).prop_map(|name| {
            let len = u8::try_from(name.len()).unwrap();
            [vec![3, len], name].concat()
        }),
        vec(any::<u8>(), 0..9),
    ];
    let auth =
        prop_oneof![3 => Just(vec![5, 2, 1, 0]), 3 => Just(vec![5, 0]), 1 => vec(0..6_u8, 0..5)];
    let socks = (
        auth,
        prop_oneof![4 => Just(0_u8), 1 => any::<u8>()],
        address,
        any::<u16>(),
    );
    let socks = socks.prop_map(|(auth, reply, address, port)| {
        let port = port.to_be_bytes();
        (
            SOCKS_PASSWORD,
            [&auth[..], &[5, reply, 0], &address, &port, b"data"].concat(),
        )
    });
    let head = "(HTTP/1.1 1[0-9]{2} C\r\n\r\n){0,2}HTTP/1\\.[01] [0-9]{3}( [ -~]{0,9})?(\r\n[a-z:\r\n ]{0,9}){0,3}(\r\n\r\n)?[a-z\r\n]{0,9}";
    let http = head.prop_map(|text| (HTTP, text.into_bytes()));
    let noise = vec(any::<u8>(), 0..60);
    let noise = (any::<bool>(), noise).prop_map(|(is_http, bytes)| match is_http {
        true => (HTTP, bytes),
        false => (SOCKS, bytes),
    });
    prop_oneof![4 => socks, 4 => http, 1 => noise]
}

proptest! {
    #[test]
    fn result_is_the_same_for_any_split((proxy, bytes) in replies(), piece in 1..9_usize) {
        let expected = whole(proxy, &bytes);
        prop_assert_eq!(pieces(proxy, &bytes, piece), expected);
        prop_assert_eq!(pieces(proxy, &bytes, usize::MAX), expected);
    }

    /// Bytes after the reply change nothing.
    #[test]
    fn no_byte_after_the_reply_is_taken((proxy, bytes) in replies(), rest in vec(any::<u8>(), 0..9)) {
        let mut tunnel = tunnel(proxy, "db.example:5432");
        if let Ok(used) = tunnel.feed(&bytes) {
            if tunnel.is_open() {
                let longer = [&bytes[..used], &rest].concat();
                prop_assert_eq!(whole(proxy, &longer), Ok(used));
            }
        }
    }
}

/// Replies end with the port after an address of any type.
#[test]
fn socks5_reply_ends_after_its_address() {
    for address in [
        [&[1][..], &[10, 20, 30, 40]].concat(),
        [&[4][..], &[0x20; 16]].concat(),
        [&[3, 1][..], b"a"].concat(),
        [&[3, 0][..]].concat(),
        [&[3, 255][..], &[b'a'; 255]].concat(),
    ] {
        let reply = [&[5, 0, 5, 0, 0][..], &address, &[0x15, 0x38]].concat();
        let more = [&reply[..], b"first bytes of the target"].concat();
        assert_eq!(whole(SOCKS, &more), Ok(reply.len()), "{address:?}");
        for piece in 1..=4 {
            assert_eq!(pieces(SOCKS, &more, piece), Ok(reply.len()), "{address:?}");
        }
    }
}

#[test]
fn http_line_ends_with_one_carriage_return() {
    for reply in [
        &b"HTTP/1.1 200 OK\r\r\n\r\n"[..],
        b"HTTP/1.1 200 OK\r\n\r\r\n",
        b"HTTP/1.1 200 OK\r\r\r\r",
    ] {
        let error = whole(HTTP, reply).unwrap_err();
        assert_eq!(error.kind(), ViaErrorKind::Malformed, "{reply:?}");
    }
}
