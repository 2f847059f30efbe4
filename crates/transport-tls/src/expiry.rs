//! Log warnings for the expiry of the listener's certificate.
//!
//! One is logged 14 days before it expires, and one once it has expired.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, SystemTime};

use tracing::warn;

/// Remaining time at the first warning, enough to fix a failed renewal.
const SOON: Duration = Duration::from_secs(14 * 24 * 3600);

/// The expiry of a certificate, with the last warned stage.
#[derive(Debug)]
pub(crate) struct CertificateExpiry {
    not_after: SystemTime,
    /// The last [`ExpiryStage`] with a warning.
    warned: AtomicU8,
}

/// The stages of expiry, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ExpiryStage {
    Valid = 0,
    Soon = 1,
    Expired = 2,
}

impl CertificateExpiry {
    pub(crate) const fn new(not_after: SystemTime) -> Self {
        Self {
            not_after,
            warned: AtomicU8::new(0),
        }
    }

    pub(crate) const fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// Logs a warning once per stage; returns whether it did.
    pub(crate) fn warn(&self, now: SystemTime) -> bool {
        let stage = self.stage(now);
        if self.warned.fetch_max(stage as u8, Ordering::Relaxed) >= stage as u8 {
            return false;
        }
        let left = self.not_after.duration_since(now).unwrap_or_default();
        warn!(
            target: "ron_transport",
            event = "certificate",
            backend = "tls",
            days_left = left.as_secs() / (24 * 3600),
            "{}",
            match stage {
                ExpiryStage::Expired => "the certificate of the listener has expired",
                _ => "the certificate of the listener expires soon",
            },
        );
        true
    }

    fn stage(&self, now: SystemTime) -> ExpiryStage {
        match self.not_after.duration_since(now) {
            Err(_) => ExpiryStage::Expired,
            Ok(left) if left <= SOON => ExpiryStage::Soon,
            Ok(_) => ExpiryStage::Valid,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stage_is_logged_once() {
        let day = Duration::from_secs(24 * 3600);
        let not_after = SystemTime::UNIX_EPOCH + day * 100;
        let expiry = CertificateExpiry::new(not_after);
        let logged = [85, 86, 87, 100, 101, 102].map(|days| {
            let now = SystemTime::UNIX_EPOCH + day * days;
            expiry.warn(now)
        });
        assert_eq!(logged, [false, true, false, false, true, false]);
        assert_eq!(expiry.stage(not_after - SOON), ExpiryStage::Soon);
        assert_eq!(expiry.not_after(), not_after);
    }
}
