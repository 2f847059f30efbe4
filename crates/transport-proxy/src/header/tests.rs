//! Headers in any pieces, their limits, and the encoder against the decoder.

use transport_core::{Proxied, ProxiedAddrs, ProxyVersion};

use super::{encode, HeaderDecoder, HeaderError, MAX_HEADER_BYTES};

mod edges;
mod random;

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

/// Reads of two bytes would cost a system call each.
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
