//! Cleartext fields of a hello, for a failed handshake.
//!
//! Such a handshake leaves no session to query. They are the version of either side and the
//! server's key exchange group (RFC 8446 §4.1.2, §4.1.3).

use tokio_rustls::rustls::{NamedGroup, ProtocolVersion};

/// Content type of a handshake record (RFC 8446 §5.1).
///
/// The message types (§4) are below.
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
/// The type of the extension `key_share` (RFC 8446 §4.2.8).
const KEY_SHARE: [u8; 2] = [0, 51];

/// Returns the group of a server's hello or hello retry request.
///
/// `None` if the bytes are not a TLS 1.3 server hello, or end before the group.
pub(crate) fn agreed_group(mut bytes: &[u8]) -> Option<NamedGroup> {
    let rest = &mut bytes;
    let [record] = take(rest)?;
    skip(rest, 4)?; // version, length
    let [message] = take(rest)?;
    skip(rest, 3)?; // length
    if (record, message) != (HANDSHAKE, SERVER_HELLO) {
        return None;
    }
    skip(rest, 34)?; // version, random
    let [session_id_len] = take(rest)?;
    skip(rest, session_id_len.into())?;
    skip(rest, 5)?; // cipher suite, compression method, length of the extensions
    loop {
        let extension = take(rest)?;
        let len = u16::from_be_bytes(take(rest)?);
        if extension == KEY_SHARE {
            return take(rest).map(|group| u16::from_be_bytes(group).into());
        }
        skip(rest, len.into())?;
    }
}

/// Returns the legacy version of a hello.
///
/// It is a client's highest version, or a server's choice. Covers SSL 3 to TLS 1.2. A TLS 1.3 hello
/// has the version of TLS 1.2 here.
pub(crate) fn legacy_version(mut bytes: &[u8]) -> Option<ProtocolVersion> {
    let rest = &mut bytes;
    let [record] = take(rest)?;
    skip(rest, 4)?; // version, length
    let [message] = take(rest)?;
    skip(rest, 3)?; // length
    if record != HANDSHAKE || !matches!(message, CLIENT_HELLO | SERVER_HELLO) {
        return None;
    }
    Some(u16::from_be_bytes(take(rest)?).into())
}

/// Returns whether the bytes start an SSL 2 hello (RFC 5246 §E.2).
///
/// It has two bytes of length with the highest bit set, then the message type and the version.
pub(crate) const fn is_ssl2(bytes: &[u8]) -> bool {
    matches!(bytes, [0x80..=0xff, _, CLIENT_HELLO, 0 | 3, _, ..])
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let head = bytes.get(..N)?.try_into().ok()?;
    skip(bytes, N)?;
    Some(head)
}

fn skip(bytes: &mut &[u8], len: usize) -> Option<()> {
    *bytes = bytes.get(len..)?;
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Returns a hello with a 32-byte session id and `supported_versions` before `key_share`.
    fn hello() -> Vec<u8> {
        let mut bytes = vec![22, 3, 3, 0, 122, 2, 0, 0, 118, 3, 3];
        bytes.extend([7; 32]);
        bytes.push(32);
        bytes.extend([8; 32]);
        bytes.extend([0x13, 1, 0, 0, 46]);
        bytes.extend([0, 43, 0, 2, 3, 4, 0, 51, 0, 36, 0, 29, 0, 32]);
        bytes.extend([9; 32]);
        bytes
    }

    #[test]
    fn group_found_after_other_extensions() {
        assert_eq!(agreed_group(&hello()), Some(NamedGroup::X25519));
    }

    #[test]
    fn hello_cut_before_group() {
        let hello = hello();
        let group_ends = hello.len() - 34;
        for len in 0..group_ends {
            assert_eq!(agreed_group(&hello[..len]), None, "{len}");
        }
        assert!(agreed_group(&hello[..group_ends]).is_some());
    }

    #[test]
    fn alert_is_not_a_hello() {
        assert_eq!(agreed_group(&[21, 3, 3, 0, 2, 2, 40]), None);
        assert_eq!(legacy_version(&[21, 3, 3, 0, 2, 2, 40, 0, 0, 3, 1]), None);
    }

    #[test]
    fn versions_of_both_hellos() {
        assert_eq!(legacy_version(&hello()), Some(ProtocolVersion::TLSv1_2));
        let client = [22, 3, 1, 0, 44, 1, 0, 0, 40, 3, 2, 0];
        assert_eq!(legacy_version(&client), Some(ProtocolVersion::TLSv1_1));
        assert_eq!(legacy_version(&client[..10]), None);
    }

    #[test]
    fn ssl2_hello_is_recognized() {
        assert!(is_ssl2(&[0x80, 46, 1, 0, 2, 0, 21]));
        assert!(is_ssl2(&[0x80, 46, 1, 3, 1, 0, 21]));
        for other in [&[22, 3, 1, 0, 44, 1][..], &[0x80, 46, 4, 0, 2, 0], &[0x80]] {
            assert!(!is_ssl2(other));
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = (agreed_group(&bytes), legacy_version(&bytes), is_ssl2(&bytes));
        }

        #[test]
        fn broken_hello_does_not_panic(at in 0..114_usize, to in any::<u8>()) {
            let mut bytes = hello();
            bytes[at] = to;
            let _ = agreed_group(&bytes);
        }
    }
}
