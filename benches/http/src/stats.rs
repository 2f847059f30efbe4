//! Percentiles, medians and ratios.

use std::time::Duration;

/// The percentiles of one server, by round.
pub(crate) struct Series {
    name: &'static str,
    middle: Vec<f64>,
    tail: Vec<f64>,
    worst: Vec<f64>,
    ratios: Vec<f64>,
}

impl Series {
    pub(crate) const fn new(name: &'static str) -> Self {
        Self {
            name,
            middle: Vec::new(),
            tail: Vec::new(),
            worst: Vec::new(),
            ratios: Vec::new(),
        }
    }

    /// Adds the sorted latencies of one round.
    pub(crate) fn push_round(&mut self, sorted: &[Duration]) {
        self.middle.push(percentile(sorted, 50.0));
        self.tail.push(percentile(sorted, 99.0));
        self.worst.push(percentile(sorted, 100.0));
    }

    /// Adds the ratio to the bare server's 99th percentile.
    pub(crate) fn push_ratio(&mut self, ratio: f64) {
        self.ratios.push(ratio);
    }

    pub(crate) fn print(&mut self, errors: usize) {
        let ratio = median(&mut self.ratios);
        let (low, high) = (
            self.ratios[self.ratios.len() / 10],
            self.ratios[self.ratios.len() * 9 / 10],
        );
        println!(
            "  {:<24} p50 {:6.2} ms   p99 {:6.2} ms   max {:6.2} ms   errors {errors}   \
             p99 ratio {ratio:.3}   (10 % to 90 % of rounds: {low:.3} to {high:.3})",
            self.name,
            median(&mut self.middle),
            median(&mut self.tail),
            median(&mut self.worst),
        );
    }
}

/// Returns a percentile of sorted values, in milliseconds, by the nearest rank.
pub(crate) fn percentile(sorted: &[Duration], percent: f64) -> f64 {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss
    )]
    let rank = (sorted.len() as f64 * percent / 100.0).ceil() as usize;
    sorted[rank.max(1) - 1].as_secs_f64() * 1e3
}

/// Returns the median of the values, sorting them.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
