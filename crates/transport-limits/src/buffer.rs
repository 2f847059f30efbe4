//! Received bytes that wait for the handler, optionally wiped before their free.

use std::fmt;

use bytes::Bytes;
use zeroize::Zeroizing;

use crate::budget::MemoryHold;

/// A buffer that grows with its content. Its `Debug` output shows only the length.
pub(crate) enum ReceiveBuffer {
    Plain(Vec<u8>),
    Wiped(Zeroizing<Vec<u8>>),
}

impl ReceiveBuffer {
    /// Returns an empty buffer without memory.
    pub(crate) fn new(wiped: bool) -> Self {
        if wiped {
            Self::Wiped(Zeroizing::default())
        } else {
            Self::Plain(Vec::new())
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Plain(bytes) => bytes.len(),
            Self::Wiped(bytes) => bytes.len(),
        }
    }

    /// Reserves a capacity of `bytes` at once; the caller has charged them.
    ///
    /// Pages without content take no memory yet.
    pub(crate) fn reserve(&mut self, bytes: usize) {
        match self {
            Self::Plain(plain) => plain.reserve_exact(bytes - plain.len().min(bytes)),
            Self::Wiped(wiped) => regrow(wiped, bytes.max(wiped.capacity())),
        }
    }

    /// Appends bytes; the buffer never grows past a length of `most`.
    pub(crate) fn extend(&mut self, more: &[u8], most: usize) {
        match self {
            Self::Plain(bytes) => {
                let capacity = grown(bytes.capacity(), bytes.len() + more.len(), most);
                bytes.reserve_exact(capacity - bytes.len());
                bytes.extend_from_slice(more);
            }
            Self::Wiped(bytes) => {
                grow(bytes, more.len(), most);
                bytes.extend_from_slice(more);
            }
        }
    }

    /// Takes the content out.
    ///
    /// The drop of its last clone gives `hold` back, and wipes the bytes of a wiped buffer.
    pub(crate) fn take(&mut self, hold: MemoryHold) -> Bytes {
        match self {
            _ if self.len() == 0 => Bytes::new(),
            Self::Plain(bytes) => held(std::mem::take(bytes), hold),
            Self::Wiped(bytes) => held(std::mem::take(bytes), hold),
        }
    }
}

/// Bytes with their memory hold, which is dropped after them.
struct ChargedBytes<T> {
    bytes: T,
    _hold: MemoryHold,
}

fn held<T: AsRef<[u8]> + Send + 'static>(bytes: T, mut hold: MemoryHold) -> Bytes {
    if let Some(charge) = &mut hold.charge {
        charge.cover(bytes.as_ref());
    }
    Bytes::from_owner(ChargedBytes { bytes, _hold: hold })
}

impl<T: AsRef<[u8]>> AsRef<[u8]> for ChargedBytes<T> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

/// Grows a wiped buffer for `more` bytes.
///
/// A vector that grows by itself frees its old block without a wipe. Doubling keeps the total cost
/// of the copies linear.
fn grow(bytes: &mut Zeroizing<Vec<u8>>, more: usize, most: usize) {
    let capacity = grown(bytes.capacity(), bytes.len() + more, most);
    regrow(bytes, capacity);
}

/// Moves the bytes to another block, and wipes the old one.
fn regrow(bytes: &mut Zeroizing<Vec<u8>>, capacity: usize) {
    if capacity == bytes.capacity() {
        return;
    }
    let mut grown = Zeroizing::new(Vec::with_capacity(capacity));
    grown.extend_from_slice(bytes);
    *bytes = grown;
}

/// Returns the next capacity: at most `most`, unless more bytes are needed.
fn grown(capacity: usize, needed: usize, most: usize) -> usize {
    if needed <= capacity {
        return capacity;
    }
    (2 * capacity).min(most).max(needed)
}

impl fmt::Debug for ReceiveBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiveBuffer")
            .field("len", &self.len())
            .finish()
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
        fn content_returned_unchanged(rounds in prop::collection::vec(pieces(), 1..4)) {
            for wiped in [false, true] {
                let mut buffer = ReceiveBuffer::new(wiped);
                for pieces in &rounds {
                    let all = pieces.concat();
                    for piece in pieces {
                        buffer.extend(piece, all.len());
                    }
                    prop_assert_eq!(buffer.len(), all.len());
                    prop_assert_eq!(&buffer.take(MemoryHold::default())[..], &all[..]);
                    prop_assert_eq!(buffer.len(), 0);
                    prop_assert!(buffer.take(MemoryHold::default()).is_empty());
                }
            }
        }

        #[test]
        fn capacity_bounded_by_content_and_frame(pieces in pieces()) {
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
    fn small_pieces_copied_few_times() {
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

    fn capacity(buffer: &ReceiveBuffer) -> usize {
        match buffer {
            ReceiveBuffer::Plain(bytes) => bytes.capacity(),
            ReceiveBuffer::Wiped(bytes) => bytes.capacity(),
        }
    }

    #[test]
    fn reserved_capacity_is_exact() {
        for wiped in [false, true] {
            let mut buffer = ReceiveBuffer::new(wiped);
            buffer.extend(&[7; 10], 100);
            buffer.reserve(100);
            assert_eq!(capacity(&buffer), 100);
            buffer.extend(&[7; 90], 100);
            buffer.reserve(50);
            assert_eq!(capacity(&buffer), 100, "it never shrinks");
        }
    }

    #[test]
    fn capacity_doubles_up_to_the_frame() {
        for wiped in [false, true] {
            let mut buffer = ReceiveBuffer::new(wiped);
            for (more, expected) in [(10, 10), (5, 20), (5, 20), (1, 37), (16, 37), (3, 40)] {
                buffer.extend(&vec![7; more], 37);
                assert_eq!(capacity(&buffer), expected, "{} bytes", buffer.len());
            }
        }
    }

    #[test]
    fn slice_outlives_buffer() {
        for wiped in [false, true] {
            let mut buffer = ReceiveBuffer::new(wiped);
            buffer.extend(&[7; 100], 100);
            let frame = buffer.take(MemoryHold::default());
            let piece = frame.slice(90..);
            drop((frame, buffer));
            assert_eq!(piece[..], [7; 10]);
        }
    }

    #[test]
    fn debug_shows_length_only() {
        for wiped in [false, true] {
            let mut buffer = ReceiveBuffer::new(wiped);
            buffer.extend(b"secret", 6);
            assert_eq!(format!("{buffer:?}"), "ReceiveBuffer { len: 6 }");
        }
    }
}
