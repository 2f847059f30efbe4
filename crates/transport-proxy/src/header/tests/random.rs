//! Random headers, and bytes that are almost headers.

use proptest::collection::vec;
use proptest::prelude::*;
use transport_core::{Proxied, ProxiedAddrs, ProxiedTls, ProxyVersion};

use super::super::{encode, HeaderDecoder, MAX_HEADER_BYTES};
use super::{read, v2, whole};

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
