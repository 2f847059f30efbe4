//! The runbook's alert thresholds, over the increase between two scrapes.
//!
//! The scrapes are at most five minutes apart, the window of the alerts.

use ron_lab::Scrape;

/// The threshold of frames over the ceiling, per minute.
const TOO_LARGE_PER_MINUTE: f64 = 5.0;
/// The window of an alert, in minutes.
const WINDOW: f64 = 5.0;
/// The threshold of rejects, as a share of requests.
pub(crate) const SHARE: f64 = 0.01;

/// Returns whether the alert for frames over the ceiling fires.
pub(crate) fn too_large(rise: &Scrape) -> bool {
    rise.rejected("too_large") > TOO_LARGE_PER_MINUTE * WINDOW
}

/// Returns the share of requests that were rejected for this reason.
pub(crate) fn share(rise: &Scrape, reason: &str) -> f64 {
    rise.rejected(reason) / rise.requests()
}

/// Returns whether the alert for rejects of this reason fires.
pub(crate) fn too_many(rise: &Scrape, reason: &str) -> bool {
    share(rise, reason) > SHARE
}

/// Returns the share of rejected requests, without `rate_limited`.
pub(crate) fn reject_share(rise: &Scrape) -> f64 {
    (rise.rejects() - rise.rejected("rate_limited")) / rise.requests()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rise(too_large: u32, rate_limited: u32) -> Scrape {
        Scrape::parse(&format!(
            "rejected_total{{reason=\"too_large\"}} {too_large}\n\
             rejected_total{{reason=\"rate_limited\"}} {rate_limited}\n\
             transport_accepts_total{{backend=\"tcp\"}} 150\n\
             transport_dials_total{{backend=\"tcp\",result=\"ok\"}} 50\n"
        ))
    }

    #[test]
    fn alerts_fire_above_threshold_only() {
        assert!(!too_large(&rise(25, 0)) && too_large(&rise(26, 0)));
        assert!(!too_many(&rise(0, 2), "rate_limited"));
        assert!(too_many(&rise(0, 3), "rate_limited"));
        assert!((reject_share(&rise(2, 100)) - 0.01).abs() < 1e-9);
        // Without requests no alert fires.
        assert!(!too_many(&Scrape::default(), "timeout"));
    }
}
