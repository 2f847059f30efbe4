//! The runbook's thresholds, over what rose between two scrapes not more than five minutes apart,
//! which is the window of the alerts.

use ron_lab::Scrape;

/// More frames over the ceiling than this in a minute, sustained.
const TOO_LARGE_PER_MINUTE: f64 = 5.0;
/// Minutes that an alert looks at.
const WINDOW: f64 = 5.0;
/// More than this share of requests.
pub(crate) const SHARE: f64 = 0.01;

/// Frames over the ceiling are too many.
pub(crate) fn too_large(rise: &Scrape) -> bool {
    rise.rejected("too_large") > TOO_LARGE_PER_MINUTE * WINDOW
}

/// The share of requests that were rejected for this reason.
pub(crate) fn share(rise: &Scrape, reason: &str) -> f64 {
    rise.rejected(reason) / rise.requests()
}

/// Rejects of this reason are too many.
pub(crate) fn too_many(rise: &Scrape, reason: &str) -> bool {
    share(rise, reason) > SHARE
}

/// The share of requests that were rejected, `rate_limited` apart.
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
    fn thresholds_are_passed_and_not_reached() {
        assert!(!too_large(&rise(25, 0)) && too_large(&rise(26, 0)));
        assert!(!too_many(&rise(0, 2), "rate_limited"));
        assert!(too_many(&rise(0, 3), "rate_limited"));
        assert!((reject_share(&rise(2, 100)) - 0.01).abs() < 1e-9);
        // Without any request nothing is too many.
        assert!(!too_many(&Scrape::default(), "timeout"));
    }
}
