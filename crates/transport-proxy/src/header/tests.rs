//! Headers in any pieces, their limits, and the encoder against the decoder.

use proptest::collection::vec;
use proptest::prelude::*;
use transport_core::{Proxied, ProxiedAddrs, ProxiedTls, ProxyVersion};

use super::{encode, HeaderDecoder, HeaderError, MAX_HEADER_BYTES};

/// A decoded header and its length.
type Decoded = Result<Option<(Proxied, usize)>, HeaderError>;

/// Feeds bytes in pieces of these lengths, in turn.
///
/// Every piece is at most as long as the decoder wants, as a socket is read.
fn read(bytes: &[u8], pieces: &[usize]) -> Decoded {
    let mut decoder = HeaderDecoder::new();
    let (mut at, mut pieces) = (0, pieces.iter().cycle());
    while at < bytes.len() {
        let wanted = decoder.wanted();
        assert!(wanted > 0, "an incomplete header wants bytes");
        let piece = pieces.next().copied().unwrap_or(usize::MAX).max(1);
        let piece = piece.min(wanted).min(bytes.len() - at);
        let (used, header) = decoder.feed(&bytes[at..at + piece])?;
        assert_eq!(used, piece, "a wanted byte is taken");
        at += used;
        if let Some(header) = header {
            return Ok(Some((header, at)));
        }
    }
    Ok(None)
}

/// Feeds all bytes at once.
fn whole(bytes: &[u8]) -> Decoded {
    let (used, header) = HeaderDecoder::new().feed(bytes)?;
    Ok(header.map(|header| (header, used)))
}

fn decoded(bytes: &[u8]) -> Proxied {
    let (header, used) = whole(bytes).unwrap().expect("complete");
    assert_eq!(used, bytes.len());
    header
}

fn malformed(bytes: &[u8]) -> bool {
    let result = whole(bytes);
    assert_eq!(result, read(bytes, &[1]), "{bytes:?}");
    matches!(result, Err(HeaderError::Malformed(_)))
}

/// A version 2 header without the encoder.
fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let mut bytes = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    bytes.extend([command, family]);
    bytes.extend(u16::try_from(rest.len()).unwrap().to_be_bytes());
    bytes.extend(rest);
    bytes
}

const INET: [u8; 12] = [192, 0, 2, 1, 192, 0, 2, 9, 0x13, 0x88, 1, 0xbb];

/// A version 2 header for IPv4 with these fields.
fn with_fields(fields: &[(u8, &[u8])]) -> Vec<u8> {
    let mut rest = INET.to_vec();
    for (kind, value) in fields {
        rest.push(*kind);
        rest.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
        rest.extend(*value);
    }
    v2(0x21, 0x11, &rest)
}

#[test]
fn line_with_addresses() {
    for (line, source, destination) in [
        (
            "PROXY TCP4 192.0.2.1 192.0.2.9 5000 443",
            "192.0.2.1:5000",
            "192.0.2.9:443",
        ),
        (
            "PROXY TCP6 2001:db8::1 ::1 0 65535",
            "[2001:db8::1]:0",
            "[::1]:65535",
        ),
        (
            "PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2",
            "192.0.2.1:1",
            "[::1]:2",
        ),
    ] {
        let header = decoded(format!("{line}\r\n").as_bytes());
        assert_eq!(header.version, ProxyVersion::V1);
        assert_eq!(header.source().unwrap().to_string(), source, "{line}");
        assert_eq!(header.destination().unwrap().to_string(), destination);
    }
}

#[test]
fn unknown_line_ignores_its_rest() {
    for line in [
        "PROXY UNKNOWN",
        "PROXY UNKNOWN ",
        "PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535",
    ] {
        let header = decoded(format!("{line}\r\n").as_bytes());
        assert_eq!(header.addrs, ProxiedAddrs::Unknown, "{line}");
    }
}

#[test]
fn line_that_breaks_the_grammar() {
    for line in [
        "PROXY",
        "PROXY ",
        "PROXY UNKNOWNX",
        "PROXY TCP5 1.1.1.1 2.2.2.2 1 2",
        "PROXY tcp4 1.1.1.1 2.2.2.2 1 2",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1 2 ",
        "PROXY TCP4  1.1.1.1 2.2.2.2 1 2",
        "PROXY  TCP4 1.1.1.1 2.2.2.2 1 2",
        "PROXY\tTCP4 1.1.1.1 2.2.2.2 1 2",
        "PROXY TCP4 1.1.1.1 2.2.2.2 01 2",
        "PROXY TCP4 1.1.1.1 2.2.2.2 +1 2",
        "PROXY TCP4 1.1.1.1 2.2.2.2 -1 2",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1 65536",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r",
        "PROXY TCP4 1.1.1.01 2.2.2.2 1 2",
        "PROXY TCP4 1.1.1.256 2.2.2.2 1 2",
        "PROXY TCP4 1.1.1 2.2.2.2 1 2",
        "PROXY TCP4 ::1 ::1 1 2",
        "PROXY TCP6 1.1.1.1 2.2.2.2 1 2",
        "PROXY TCP6 fe80::1%eth0 ::1 1 2",
        "PROXY TCP6 :::1 ::1 1 2",
        "PROXY TCP4 1.1.1.1 2.2.2.2 \u{663} 2",
    ] {
        let bytes = format!("{line}\r\n").into_bytes();
        let refused = whole(&bytes).is_err() && read(&bytes, &[1]).is_err();
        assert!(refused, "{line:?}");
    }
    // Without the carriage return the line has no end.
    let longer = [b"PROXY UNKNOWN\n".as_slice(), &[b'x'; 100]].concat();
    let max = 107;
    assert_eq!(
        whole(&longer),
        Err(HeaderError::TooLarge { bytes: max, max })
    );
}

#[test]
fn line_of_107_bytes_is_the_longest() {
    let longest = format!("PROXY UNKNOWN {}\r\n", "x".repeat(91));
    assert_eq!(longest.len(), 107);
    decoded(longest.as_bytes());
    let longer = format!("PROXY UNKNOWN {}\r\n", "x".repeat(92));
    assert!(matches!(
        whole(longer.as_bytes()),
        Err(HeaderError::TooLarge { .. })
    ));
}

#[test]
fn local_header_has_no_facts() {
    // The family and the rest have no meaning.
    for header in [v2(0x20, 0, &[]), v2(0x20, 0xff, &[1, 2, 3])] {
        assert_eq!(decoded(&header), Proxied::new(ProxyVersion::V2));
    }
}

#[test]
fn mapped_address_counts_as_v4() {
    let mapped = |last: u8| [&[0; 10][..], &[0xff, 0xff, 192, 0, 2, last]].concat();
    let rest = [mapped(1), mapped(9), vec![0x13, 0x88, 1, 0xbb]].concat();
    let header = decoded(&v2(0x21, 0x21, &rest));
    assert_eq!(header.source().unwrap().to_string(), "192.0.2.1:5000");
    assert_eq!(header.destination().unwrap().to_string(), "192.0.2.9:443");
}

#[test]
fn unix_addresses_are_trimmed() {
    let mut rest = [0; 216];
    rest[1..5].copy_from_slice(b"name");
    rest[108..114].copy_from_slice(b"/run/s");
    let header = decoded(&v2(0x21, 0x31, &rest));
    let expected = ProxiedAddrs::Unix {
        source: (*b"\0name").into(),
        destination: (*b"/run/s").into(),
    };
    assert_eq!(header.addrs, expected);
}

#[test]
fn fields_of_other_types_are_skipped() {
    let ssl = [
        &[1, 0, 0, 0, 0, 0x21][..],
        &[0, 7],
        b"TLSv1.2",
        &[0x24, 0, 1, 9],
    ]
    .concat();
    let header = decoded(&with_fields(&[
        (0x04, &[0; 9]),
        (0xea, b"vendor"),
        (0xea, b"again"),
        (0x01, b"h2"),
        (0x02, b"a.example"),
        (0x05, &[0, 1]),
        (0x30, b"netns"),
        (0x20, &ssl),
    ]));
    assert_eq!(header.alpn.as_deref(), Some(&b"h2"[..]));
    assert_eq!(header.authority.as_deref(), Some("a.example"));
    assert_eq!(header.unique_id.as_deref(), Some(&[0, 1][..]));
    let tls = header.tls.unwrap();
    assert_eq!(tls.version.as_deref(), Some("TLSv1.2"));
    assert!(!tls.verified, "verified without a certificate");
}

#[test]
fn session_without_tls_has_no_facts() {
    let header = decoded(&with_fields(&[(0x20, &[0, 0, 0, 0, 0])]));
    assert_eq!(header.tls, None);
}

#[test]
fn fields_that_break_the_grammar() {
    for rest in [
        with_fields(&[(0x01, &[b'a'; 256])]),
        with_fields(&[(0x02, &[b'a'; 256])]),
        with_fields(&[(0x05, &[b'a'; 129])]),
        with_fields(&[(0x05, b"a"), (0x05, b"a")]),
        with_fields(&[(0x03, &[0; 3])]),
        with_fields(&[(0x20, &[1, 0, 0, 0])]),
        with_fields(&[(0x20, &[1, 0, 0, 0, 0, 0x21, 0, 9, 1])]),
        v2(0x21, 0x11, &[&INET[..], &[0x01]].concat()),
        v2(0x21, 0x11, &[&INET[..], &[0x01, 0, 2, 1]].concat()),
        v2(0x21, 0x11, &INET[..11]),
        v2(0x21, 0x12, &INET),
        v2(0x21, 0x41, &INET),
        v2(0x21, 0x10, &INET),
        v2(0x22, 0x11, &INET),
        v2(0x11, 0x11, &INET),
    ] {
        assert!(malformed(&rest), "{rest:02x?}");
    }
}

#[test]
fn wrong_checksum_is_refused() {
    let mut bytes = encode(&Proxied::new(ProxyVersion::V2));
    decoded(&bytes);
    *bytes.last_mut().unwrap() ^= 1;
    assert!(matches!(whole(&bytes), Err(HeaderError::Checksum { .. })));
    assert!(matches!(
        read(&bytes, &[1]),
        Err(HeaderError::Checksum { .. })
    ));
}

#[test]
fn header_over_1024_bytes_is_refused_unread() {
    let fits = v2(0x20, 0, &[0; MAX_HEADER_BYTES - 16]);
    decoded(&fits);
    let longer = v2(0x20, 0, &[0; MAX_HEADER_BYTES - 15]);
    let error = Err(HeaderError::too_large(1025));
    assert_eq!(whole(&longer[..16]), error);
    assert_eq!(read(&longer, &[1]), error);
}

#[test]
fn other_protocols_are_refused_at_once() {
    for bytes in [
        &b"\x16\x03\x01\x02\x00"[..],
        b"GET / HTTP/1.1\r\n",
        b"PROXX",
        b"\r\n\r\n\0\r\nQUIX",
    ] {
        assert_eq!(whole(bytes), Err(HeaderError::NoSignature), "{bytes:?}");
        assert_eq!(read(bytes, &[1]), Err(HeaderError::NoSignature));
    }
}

/// A slow read of two bytes at a time would cost a system call each.
#[test]
fn line_is_read_in_few_pieces() {
    let line = b"PROXY TCP4 192.168.100.200 192.168.100.101 56324 443\r\n";
    let (mut decoder, mut at, mut reads) = (HeaderDecoder::new(), 0, 0);
    while at < line.len() {
        let end = at + decoder.wanted();
        at += decoder.feed(&line[at..end]).unwrap().0;
        reads += 1;
    }
    assert!(reads <= 10, "{reads} reads");
}

fn text(max: usize) -> impl Strategy<Value = Option<Box<str>>> {
    let text =
        vec(any::<char>(), 0..max / 4).prop_map(|chars| chars.into_iter().collect::<String>());
    proptest::option::of(text.prop_map(Box::from))
}

fn bytes(max: usize) -> impl Strategy<Value = Option<Box<[u8]>>> {
    proptest::option::of(vec(any::<u8>(), 0..=max).prop_map(Box::from))
}

fn addrs() -> impl Strategy<Value = ProxiedAddrs> {
    let ip = any::<[(std::net::IpAddr, u16); 2]>().prop_map(|pair| {
        let [source, destination] = pair.map(|(ip, port)| (ip.to_canonical(), port).into());
        ProxiedAddrs::Ip {
            source,
            destination,
        }
    });
    let path = || vec(1..=u8::MAX, 0..=108).prop_map(Box::from);
    let unix = (path(), path()).prop_map(|(source, destination)| ProxiedAddrs::Unix {
        source,
        destination,
    });
    prop_oneof![Just(ProxiedAddrs::Unknown), ip, unix]
}

fn tls() -> impl Strategy<Value = ProxiedTls> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    (flags, text(64), text(64), text(64)).prop_map(|(flags, version, cipher, common_name)| {
        let (client_cert, session_cert, verified) = flags;
        let mut tls = ProxiedTls::default();
        (tls.client_cert, tls.session_cert) = (client_cert, session_cert);
        tls.verified = verified && (client_cert || session_cert);
        (tls.version, tls.cipher, tls.common_name) = (version, cipher, common_name);
        tls
    })
}

fn header() -> impl Strategy<Value = Proxied> {
    let facts = (
        text(200),
        bytes(100),
        proptest::option::of(tls()),
        bytes(128),
    );
    (any::<bool>(), addrs(), facts).prop_map(|(is_v2, addrs, facts)| {
        let mut header = Proxied::new(if is_v2 {
            ProxyVersion::V2
        } else {
            ProxyVersion::V1
        });
        header.addrs = addrs;
        if is_v2 {
            (header.authority, header.alpn, header.tls, header.unique_id) = facts;
        } else if matches!(header.addrs, ProxiedAddrs::Unix { .. }) {
            header.addrs = ProxiedAddrs::Unknown;
        }
        header
    })
}

/// Bytes that are close to a header.
fn almost_header() -> impl Strategy<Value = Vec<u8>> {
    let changed = (
        header(),
        vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
    );
    let changed = changed.prop_map(|(header, changes)| {
        let mut bytes = encode(&header);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    });
    let line = "PROXY (TCP4|TCP6|UNKNOWN|X)( [0-9a-f.: \r]{0,20}){0,6}(\r\n)?[a-z ]{0,9}";
    let announced = (any::<[u8; 2]>(), any::<u16>(), vec(any::<u8>(), 0..99));
    let announced = announced.prop_map(|([command, family], len, rest)| {
        let mut bytes = v2(0x20 | (command & 3), family & 0x33, &rest);
        if len % 4 == 0 {
            bytes[14..16].copy_from_slice(&len.to_be_bytes());
        }
        bytes
    });
    prop_oneof![
        3 => changed,
        2 => line.prop_map(String::into_bytes),
        2 => announced,
        1 => vec(any::<u8>(), 0..200),
    ]
}

proptest! {
    #[test]
    fn encoded_header_decodes_equal(header in header(), pieces in vec(1_usize..40, 1..9)) {
        let bytes = encode(&header);
        prop_assert!(bytes.len() <= MAX_HEADER_BYTES);
        prop_assert_eq!(whole(&bytes), Ok(Some((header, bytes.len()))));
        prop_assert_eq!(read(&bytes, &pieces), whole(&bytes));
    }

    #[test]
    fn result_does_not_depend_on_pieces(
        bytes in almost_header(),
        pieces in vec(1_usize..40, 1..9),
    ) {
        let expected = whole(&bytes);
        prop_assert_eq!(&read(&bytes, &pieces), &expected);
        prop_assert_eq!(&read(&bytes, &[1]), &expected);
    }

    #[test]
    fn byte_after_header_is_left(header in header(), after in vec(any::<u8>(), 0..50)) {
        let mut bytes = encode(&header);
        let len = bytes.len();
        bytes.extend(after);
        let (_, used) = whole(&bytes).unwrap().unwrap();
        prop_assert_eq!(used, len);
        let (_, used) = read(&bytes, &[usize::MAX]).unwrap().unwrap();
        prop_assert_eq!(used, len);
    }

    #[test]
    fn memory_stays_below_1_kib(bytes in almost_header(), piece in 1_usize..2000) {
        let mut decoder = HeaderDecoder::new();
        for piece in bytes.chunks(piece) {
            let fed = decoder.feed(piece);
            prop_assert!(decoder.bytes_allocated() <= MAX_HEADER_BYTES);
            if !matches!(fed, Ok((_, None))) {
                break;
            }
        }
    }
}
