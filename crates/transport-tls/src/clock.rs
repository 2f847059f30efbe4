//! Checks of the system clock: rustls panics if it is before 1970.

use std::time::SystemTime;

use transport_core::TransportError;

use crate::dates::Seconds;
use crate::error::tls_by;

/// Checks that the clock is not before 1970.
///
/// # Errors
/// [`TransportError::Tls`].
pub(crate) fn check(now: SystemTime) -> Result<(), TransportError> {
    match now.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(_) => Ok(()),
        Err(cause) => Err(tls_by("the system's clock is before 1970; set it", cause)),
    }
}

/// Returns the seconds since 1970.
pub(crate) fn seconds(now: SystemTime) -> Seconds {
    let since = now.duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn time_before_1970_is_refused() {
        let epoch = SystemTime::UNIX_EPOCH;
        check(epoch).unwrap();
        let error = check(epoch - Duration::from_nanos(1)).unwrap_err();
        assert!(error.to_string().contains("1970"), "{error}");
    }
}
