//! Values at the limits of the protocol, and numbers of wanted bytes.

use transport_core::ProxiedTls;

use super::*;

const CRC32C: u8 = 0x03;

/// Inserts the checksum into the field whose value begins here.
fn with_checksum(mut bytes: Vec<u8>, at: usize) -> Vec<u8> {
    bytes[at..at + 4].fill(0);
    let sum = super::super::crc32c::crc32c(bytes.iter().copied());
    bytes[at..at + 4].copy_from_slice(&sum.to_be_bytes());
    bytes
}

#[test]
fn longest_values_are_taken() {
    for (kind, most) in [(0x01, 255), (0x02, 255), (0x05, 128)] {
        let value = vec![b'a'; most];
        let header = decoded(&with_fields(&[(kind, &value)]));
        let taken = match kind {
            0x01 => header.alpn.map(|alpn| alpn.len()),
            0x02 => header.authority.map(|authority| authority.len()),
            _ => header.unique_id.map(|id| id.len()),
        };
        assert_eq!(taken, Some(most), "field {kind}");
        let longer = vec![b'a'; most + 1];
        assert!(malformed(&with_fields(&[(kind, &longer)])), "field {kind}");
    }
}

#[test]
fn checksum_before_other_fields() {
    let fields: [(u8, &[u8]); 3] = [(0xe0, b"vendor"), (CRC32C, &[0; 4]), (0x02, b"example.org")];
    let bytes = with_fields(&fields);
    // Fixed part, addresses, the first field, and the head of the second.
    let at = 16 + 12 + 3 + b"vendor".len() + 3;
    let header = decoded(&with_checksum(bytes.clone(), at));
    assert_eq!(header.authority.as_deref(), Some("example.org"));
    for flipped in [at - 4, at + 4 + 3, bytes.len() - 1] {
        let mut wrong = with_checksum(bytes.clone(), at);
        wrong[flipped] ^= 1;
        assert!(whole(&wrong).is_err(), "byte {flipped}");
    }
}

#[test]
fn largest_header_has_the_limit() {
    const ALPN: usize = 184;
    let text = |len: usize| -> Box<str> { "a".repeat(len).into() };
    let mut header = Proxied::new(ProxyVersion::V2);
    header.addrs = ProxiedAddrs::Unix {
        source: vec![b's'; 108].into(),
        destination: vec![b'd'; 108].into(),
    };
    header.unique_id = Some(vec![b'u'; 128].into());
    header.authority = Some(text(255));
    let mut tls = ProxiedTls::default();
    tls.version = Some(text(64));
    tls.cipher = Some(text(64));
    tls.common_name = Some(text(64));
    header.tls = Some(tls);
    for len in 0..=255 {
        header.alpn = Some(vec![b'h'; len].into());
        let bytes = encode(&header);
        let mut expected = header.clone();
        if len > ALPN {
            expected.alpn = None;
        }
        assert_eq!(decoded(&bytes), expected, "{len}");
        assert!(bytes.len() <= MAX_HEADER_BYTES, "{len}");
        assert_eq!(bytes.len() == MAX_HEADER_BYTES, len == ALPN, "{len}");
    }
}

#[test]
fn datagrams_are_named_in_the_error() {
    for family in [0x12, 0x22, 0x32] {
        let error = whole(&v2(0x21, family, &INET)).unwrap_err().to_string();
        assert!(error.contains("datagrams"), "{error}");
    }
    let error = whole(&v2(0x21, 0x41, &INET)).unwrap_err().to_string();
    assert!(error.contains("is unknown"), "{error}");
}

fn wanted_after(bytes: &[u8]) -> usize {
    let mut decoder = HeaderDecoder::new();
    let (used, header) = decoder.feed(bytes).unwrap();
    assert_eq!((used, header), (bytes.len(), None));
    decoder.wanted()
}

/// The least header of the family, before its length is known.
#[test]
fn wanted_bytes_follow_the_family() {
    for (family, addrs) in [(0x00, 0), (0x11, 12), (0x21, 36), (0x31, 216)] {
        let bytes = v2(0x21, family, &vec![0; addrs]);
        for len in 14..=15 {
            let wanted = wanted_after(&bytes[..len]);
            assert_eq!(wanted, 16 + addrs - len, "family {family}, {len} bytes");
        }
    }
    let local = v2(0x20, 0x31, &[0; 9]);
    assert_eq!(wanted_after(&local[..14]), 2);
    assert_eq!(wanted_after(&local[..16]), 9);
}

/// Every prefix of the shortest line wants exactly the rest.
#[test]
fn wanted_bytes_of_the_shortest_line() {
    let line = b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1\r\n";
    for len in b"PROXY TCP4".len()..line.len() {
        assert_eq!(wanted_after(&line[..len]), line.len() - len, "{len} bytes");
    }
    let line = b"PROXY UNKNOWN\r\n";
    for len in 1..line.len() {
        assert_eq!(wanted_after(&line[..len]), line.len() - len, "{len} bytes");
    }
}
