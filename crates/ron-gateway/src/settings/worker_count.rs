//! The number of workers.

use std::fmt;
use std::num::NonZeroUsize;
use std::thread::available_parallelism;

use ron_transport::schema::ValueError;

/// Largest number of workers.
const MAX: usize = 1024;
/// Descriptors for each worker, below which `auto` chooses fewer workers.
///
/// A worker needs four before it has a connection.
const FDS_EACH: u64 = 64;

/// The number of threads that serve connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WorkerCount {
    /// One for each core.
    Auto,
    /// This many.
    Count(NonZeroUsize),
}

impl WorkerCount {
    pub(super) fn parse(text: &str) -> Result<Self, ValueError> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let count = text.parse().ok().filter(|count| *count <= MAX);
        count
            .and_then(NonZeroUsize::new)
            .map(Self::Count)
            .ok_or_else(|| ValueError::new(format!("must be auto or 1 to {MAX}")))
    }

    /// Returns the number for a process with this limit of descriptors.
    pub(crate) fn count(self, max_fd: Option<u64>) -> NonZeroUsize {
        match self {
            Self::Count(count) => count,
            Self::Auto => {
                let cores = available_parallelism().unwrap_or(NonZeroUsize::MIN);
                let most = max_fd.map_or(u64::MAX, |limit| limit / FDS_EACH);
                let most = usize::try_from(most).unwrap_or(MAX).clamp(1, MAX);
                cores.min(NonZeroUsize::new(most).unwrap_or(NonZeroUsize::MIN))
            }
        }
    }
}

impl fmt::Display for WorkerCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Count(count) => count.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn count_out_of_range_is_refused() {
        for text in ["", "0", "-1", "1025", "two", "Auto"] {
            assert!(WorkerCount::parse(text).is_err(), "{text}");
        }
        let most = WorkerCount::parse("1024").unwrap();
        assert_eq!(most.count(Some(64)).get(), 1024);
    }

    #[test]
    fn auto_with_few_descriptors_is_one() {
        for limit in [0, 28, 64, 127] {
            assert_eq!(WorkerCount::Auto.count(Some(limit)).get(), 1);
        }
        let cores = available_parallelism().unwrap();
        assert_eq!(
            WorkerCount::Auto.count(None),
            cores.min(NonZeroUsize::new(MAX).unwrap())
        );
    }
}
