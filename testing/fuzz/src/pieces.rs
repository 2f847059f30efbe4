//! A stream that yields its bytes in pieces.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Sizes of pieces, derived from the input.
///
/// One input always has the same sizes, and the bytes of the input remain those of the protocol.
#[derive(Debug, Clone)]
pub(crate) struct PieceSizes(u64);

impl PieceSizes {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        // FNV-1a, then xorshift, which needs a seed other than 0.
        let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(hash | 1)
    }
}

impl Iterator for PieceSizes {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let [kind, size, ..] = self.0.to_le_bytes();
        Some(match kind % 4 {
            0 => usize::from(size % 4),
            1 => usize::from(size % 32),
            2 => usize::from(size) * 4,
            _ => usize::from(size) * 64,
        })
    }
}

/// A stream of bytes in pieces; writes succeed and are discarded.
///
/// A piece of 0 bytes is a pending read that wakes its task at once.
#[derive(Debug)]
pub(crate) struct Pieces {
    bytes: Vec<u8>,
    /// Bytes read so far, for the caller too.
    read: Arc<AtomicUsize>,
    sizes: PieceSizes,
}

impl Pieces {
    pub(crate) fn new(bytes: Vec<u8>, sizes: PieceSizes) -> Self {
        Self {
            bytes,
            read: Arc::default(),
            sizes,
        }
    }

    /// Returns the counter of the bytes that were read.
    pub(crate) fn read_bytes(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.read)
    }
}

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let size = self.sizes.next().unwrap_or(1);
        if size == 0 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let at = self.read.load(Ordering::Relaxed);
        let rest = &self.bytes[at..];
        let take = size.min(rest.len()).min(buf.remaining());
        buf.put_slice(&rest[..take]);
        self.read.store(at + take, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pieces {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
