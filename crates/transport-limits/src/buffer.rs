//! Bytes that arrived and wait to be handed on: as plain as can be, or wiped before they are freed.

use std::fmt;

use bytes::{Bytes, BytesMut};
use zeroize::Zeroizing;

/// Grows with what is put in. What it shows of itself is a length.
pub(crate) enum Buffer {
    Plain(BytesMut),
    Wiped(Zeroizing<Vec<u8>>),
}

impl Buffer {
    /// An empty one, which holds no memory.
    pub(crate) fn new(wiped: bool) -> Self {
        if wiped {
            Self::Wiped(Zeroizing::default())
        } else {
            Self::Plain(BytesMut::new())
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Plain(bytes) => bytes.len(),
            Self::Wiped(bytes) => bytes.len(),
        }
    }

    /// Adds bytes; `most` is the length that it will never grow past.
    pub(crate) fn extend(&mut self, more: &[u8], most: usize) {
        match self {
            Self::Plain(bytes) => bytes.extend_from_slice(more),
            Self::Wiped(bytes) => {
                grow(bytes, more.len(), most);
                bytes.extend_from_slice(more);
            }
        }
    }

    /// What it holds; it is empty then. A wiped one's bytes are wiped when the last clone of them
    /// is dropped.
    pub(crate) fn take(&mut self) -> Bytes {
        match self {
            Self::Plain(bytes) => std::mem::take(bytes).freeze(),
            Self::Wiped(bytes) if bytes.is_empty() => Bytes::new(),
            Self::Wiped(bytes) => Bytes::from_owner(std::mem::take(bytes)),
        }
    }
}

/// Makes room for more bytes. A vector that grows by itself leaves its old block as it was; here it
/// is dropped, and with that wiped. At least doubling keeps the cost of the copies linear.
fn grow(bytes: &mut Zeroizing<Vec<u8>>, more: usize, most: usize) {
    let needed = bytes.len() + more;
    if needed <= bytes.capacity() {
        return;
    }
    let capacity = (2 * bytes.capacity()).min(most).max(needed);
    let mut grown = Zeroizing::new(Vec::with_capacity(capacity));
    grown.extend_from_slice(bytes);
    *bytes = grown;
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer").field("len", &self.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pieces() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let size = prop_oneof![3 => 0..40_usize, 1 => 0..5000_usize];
        let piece = size.prop_flat_map(|size| prop::collection::vec(any::<u8>(), size));
        prop::collection::vec(piece, 0..20)
    }

    proptest! {
        #[test]
        fn both_give_back_what_was_put_in(rounds in prop::collection::vec(pieces(), 1..4)) {
            for wiped in [false, true] {
                let mut buffer = Buffer::new(wiped);
                for pieces in &rounds {
                    let all = pieces.concat();
                    for piece in pieces {
                        buffer.extend(piece, all.len());
                    }
                    prop_assert_eq!(buffer.len(), all.len());
                    prop_assert_eq!(&buffer.take()[..], &all[..]);
                    prop_assert_eq!(buffer.len(), 0);
                    prop_assert!(buffer.take().is_empty());
                }
            }
        }

        #[test]
        fn memory_follows_what_arrived_and_ends_at_the_frame(pieces in pieces()) {
            let most = pieces.iter().map(Vec::len).sum();
            let mut bytes = Zeroizing::new(Vec::new());
            for piece in pieces {
                grow(&mut bytes, piece.len(), most);
                bytes.extend_from_slice(&piece);
                prop_assert!(bytes.capacity() <= most.min(2 * bytes.len()));
            }
        }
    }

    #[test]
    fn a_frame_in_small_pieces_is_copied_a_few_times_only() {
        const FRAME: usize = 1 << 20;
        let (mut bytes, mut blocks) = (Zeroizing::new(Vec::new()), 0);
        for _ in 0..FRAME / 64 {
            let before = bytes.capacity();
            grow(&mut bytes, 64, FRAME);
            bytes.extend_from_slice(&[1; 64]);
            blocks += usize::from(bytes.capacity() != before);
        }
        assert_eq!(bytes.capacity(), FRAME);
        assert_eq!(blocks, 15, "64 bytes doubled to 1 MiB");
    }

    #[test]
    fn a_piece_outlives_the_rest() {
        for wiped in [false, true] {
            let mut buffer = Buffer::new(wiped);
            buffer.extend(&[7; 100], 100);
            let frame = buffer.take();
            let piece = frame.slice(90..);
            drop((frame, buffer));
            assert_eq!(piece[..], [7; 10]);
        }
    }

    #[test]
    fn no_content_in_debug() {
        for wiped in [false, true] {
            let mut buffer = Buffer::new(wiped);
            buffer.extend(b"secret", 6);
            assert_eq!(format!("{buffer:?}"), "Buffer { len: 6 }");
        }
    }
}
