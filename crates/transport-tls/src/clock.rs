//! The system's clock. rustls reads it for certificates and tickets, and panics before 1970.

use std::time::SystemTime;

use transport_core::TransportError;

use crate::error::tls_by;

/// Checks that the clock can be used.
///
/// # Errors
/// [`TransportError::Tls`] where it is before 1970.
pub(crate) fn check(now: SystemTime) -> Result<(), TransportError> {
    match now.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(_) => Ok(()),
        Err(cause) => Err(tls_by("the system's clock is before 1970; set it", cause)),
    }
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
