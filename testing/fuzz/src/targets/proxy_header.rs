//! PROXY headers, fed in any pieces.
//!
//! The result does not depend on the pieces, no byte after the header is taken, and the decoder holds at
//! most 1,024 bytes. A decoded header survives its encoder.

use transport_proxy::{encode, HeaderDecoder, HeaderError, Proxied, MAX_HEADER_BYTES};

use crate::pieces::PieceSizes;

/// A decoded header and its length; `None` if bytes are missing.
type Decoded = Result<Option<(Proxied, usize)>, HeaderError>;

pub(crate) fn run(bytes: &[u8]) {
    let decoded = whole(bytes);
    assert_eq!(read(bytes, PieceSizes::of(bytes)), decoded);
    assert_eq!(read(bytes, std::iter::repeat(1)), decoded);
    let Ok(Some((header, used))) = decoded else {
        return;
    };
    assert!(used <= MAX_HEADER_BYTES);
    assert_eq!(whole(&bytes[..used]), Ok(Some((header.clone(), used))));
    assert_eq!(
        whole(&bytes[..used - 1]),
        Ok(None),
        "the last byte changes nothing"
    );
    let encoded = encode(&header);
    let Ok(Some((again, used))) = whole(&encoded) else {
        panic!("{header:?} is encoded as {encoded:?}");
    };
    assert_eq!(used, encoded.len());
    assert!(used <= MAX_HEADER_BYTES);
    assert_eq!(
        (again.version, &again.addrs),
        (header.version, &header.addrs)
    );
    assert_eq!(encode(&again), encoded, "{header:?}");
}

fn whole(bytes: &[u8]) -> Decoded {
    let mut decoder = HeaderDecoder::new();
    let (used, header) = decoder.feed(bytes)?;
    assert_eq!(used, decoder.taken());
    assert!(decoder.taken() <= MAX_HEADER_BYTES);
    assert!(
        header.is_some() || used == bytes.len(),
        "a wanted byte is not taken"
    );
    Ok(header.map(|header| (header, used)))
}

/// Feeds pieces of at most the wanted length, as from a socket.
fn read(bytes: &[u8], pieces: impl Iterator<Item = usize>) -> Decoded {
    let mut decoder = HeaderDecoder::new();
    let mut at = 0;
    for piece in pieces {
        let wanted = decoder.wanted();
        assert!((1..=MAX_HEADER_BYTES).contains(&wanted), "wanted {wanted}");
        let rest = &bytes[at..];
        if rest.is_empty() {
            break;
        }
        let piece = &rest[..piece.min(wanted).min(rest.len())];
        let (used, header) = decoder.feed(piece)?;
        assert_eq!(used, piece.len(), "a wanted byte is not taken");
        at += used;
        assert!(decoder.taken() == at && at <= MAX_HEADER_BYTES);
        if let Some(header) = header {
            return Ok(Some((header, at)));
        }
    }
    Ok(None)
}
