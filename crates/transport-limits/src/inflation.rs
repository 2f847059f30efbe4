//! A ceiling for the output of decompressors (decompression bombs).

use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use transport_core::TransportError;

/// Most output bytes for each input byte. Not configurable.
pub const MAX_INFLATION: u64 = 8;

/// Counts the input and output of a decompressor. Cheap to clone.
///
/// Clones share their counts.
///
/// ```
/// use std::io::Read;
/// use transport_limits::InflationGuard;
///
/// let guard = InflationGuard::new(1 << 20);
/// let input = guard.input(&b"compressed"[..]);
/// // A decompressor reads from `input`; here it is the identity.
/// let mut output = guard.output(input);
/// let mut text = String::new();
/// output.read_to_string(&mut text)?;
/// assert_eq!(text, "compressed");
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug, Clone)]
pub struct InflationGuard {
    input: Arc<AtomicU64>,
    output: Arc<AtomicU64>,
    max_output: u64,
}

impl InflationGuard {
    /// Creates a guard for one frame, with at most `max_frame_bytes` of output.
    #[must_use]
    pub fn new(max_frame_bytes: usize) -> Self {
        Self {
            input: Arc::default(),
            output: Arc::default(),
            max_output: max_frame_bytes as u64,
        }
    }

    /// Counts input bytes of the decompressor.
    pub fn consumed(&self, bytes: usize) {
        self.input.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Counts output bytes of the decompressor.
    ///
    /// # Errors
    /// [`TransportError::TooLarge`] once the output exceeds [`MAX_INFLATION`] times the input, or
    /// the ceiling.
    pub fn produced(&self, bytes: usize) -> Result<(), TransportError> {
        let output = self.output.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64;
        let by_ratio = self
            .input
            .load(Ordering::Relaxed)
            .saturating_mul(MAX_INFLATION);
        let max = by_ratio.min(self.max_output);
        if output > max {
            return Err(TransportError::TooLarge { len: output, max });
        }
        Ok(())
    }

    /// Wraps the input of the decompressor.
    pub fn input<R: Read>(&self, compressed: R) -> InflationInput<R> {
        InflationInput {
            inner: compressed,
            guard: self.clone(),
        }
    }

    /// Wraps the decompressor, to count its output.
    pub fn output<R: Read>(&self, decompressor: R) -> InflationOutput<R> {
        InflationOutput {
            inner: decompressor,
            guard: self.clone(),
        }
    }
}

/// A reader that counts its bytes as input.
#[derive(Debug)]
pub struct InflationInput<R> {
    inner: R,
    guard: InflationGuard,
}

impl<R: Read> Read for InflationInput<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buf)?;
        self.guard.consumed(read);
        Ok(read)
    }
}

/// A reader that counts its bytes as output, up to the ceiling.
#[derive(Debug)]
pub struct InflationOutput<R> {
    inner: R,
    guard: InflationGuard,
}

impl<R: Read> Read for InflationOutput<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buf)?;
        self.guard.produced(read)?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Turns each byte into `n` zeros.
    struct Bomb<R>(R, usize);

    impl<R: Read> Read for Bomb<R> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let most = (buf.len() / self.1).clamp(1, 16);
            let read = self.0.read(&mut vec![0; most])?;
            let made = (read * self.1).min(buf.len());
            buf[..made].fill(0);
            Ok(made)
        }
    }

    fn inflate(input: usize, ratio: usize, max: usize) -> io::Result<usize> {
        let guard = InflationGuard::new(max);
        let source = vec![1; input];
        let mut out = guard.output(Bomb(guard.input(&source[..]), ratio));
        out.read_to_end(&mut Vec::new())
    }

    #[test]
    fn output_over_eight_times_input_refused() {
        assert_eq!(inflate(1000, 8, 1 << 20).unwrap(), 8000);
        let error = inflate(1000, 9, 1 << 20).unwrap_err();
        assert_eq!(TransportError::find(&error).unwrap().kind(), "too_large");
    }

    #[test]
    fn output_over_frame_ceiling_refused() {
        assert_eq!(inflate(1024, 2, 2048).unwrap(), 2048);
        assert!(inflate(1025, 2, 2048).is_err());
    }
}
