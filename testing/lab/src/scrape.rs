//! The series of `/metrics` at one moment, or their increase between two.

use std::collections::BTreeMap;

/// Values by series, written as in the exposition.
#[derive(Debug, Clone, Default)]
pub struct Scrape(BTreeMap<String, f64>);

impl Scrape {
    /// Parses the text of `/metrics`.
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let pairs = lines.filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            Some((series.to_owned(), value.parse().ok()?))
        });
        Self(pairs.collect())
    }

    /// Returns the increase of each series.
    pub fn since(&self, earlier: &Self) -> Self {
        let rise = |(series, value): (&String, &f64)| {
            let before = earlier.0.get(series).copied().unwrap_or(0.0);
            (series.clone(), value - before)
        };
        Self(self.0.iter().map(rise).collect())
    }

    /// Returns one series; NaN if it is missing, so every comparison fails.
    pub fn value(&self, series: &str) -> f64 {
        self.0.get(series).copied().unwrap_or(f64::NAN)
    }

    /// Returns the sum of a metric's series.
    pub fn sum(&self, metric: &str) -> f64 {
        self.sum_of(&format!("{metric}{{"))
    }

    /// Returns the sum of all series with this prefix.
    fn sum_of(&self, start: &str) -> f64 {
        let of = self.0.range(start.to_owned()..);
        let of = of.take_while(|(series, _)| series.starts_with(start));
        of.map(|(_, value)| value).sum()
    }

    /// Returns the nonzero series of a metric, by their labels.
    pub fn nonzero(&self, metric: &str) -> Vec<(String, f64)> {
        let start = format!("{metric}{{");
        let of = self.0.range(start.clone()..);
        let of = of.take_while(|(series, _)| series.starts_with(&start));
        let of = of.filter(|(_, value)| **value != 0.0);
        of.map(|(series, value)| {
            (
                series[start.len()..].trim_end_matches('}').to_owned(),
                *value,
            )
        })
        .collect()
    }

    /// Returns the transitions to not ready, for any reason.
    pub fn became_not_ready(&self) -> f64 {
        self.sum_of("transport_readiness_transitions_total{state=\"not_ready\"")
    }

    /// Returns the rejects of one reason.
    pub fn rejected(&self, reason: &str) -> f64 {
        self.value(&format!("rejected_total{{reason=\"{reason}\"}}"))
    }

    /// Returns all rejects.
    pub fn rejects(&self) -> f64 {
        self.sum("rejected_total")
    }

    /// Returns accepts plus dials, the base of reject ratios.
    pub fn requests(&self) -> f64 {
        self.sum("transport_accepts_total") + self.sum("transport_dials_total")
    }

    /// Returns the open connections of all backends.
    pub fn inflight(&self) -> f64 {
        self.sum("conn_inflight")
    }

    /// Returns the upper bound in seconds of the 95th percentile's bucket.
    ///
    /// `None` without handshakes.
    pub fn p95(&self, backend: &str) -> Option<f64> {
        let start = format!("handshake_latency_seconds_bucket{{backend=\"{backend}\",le=\"");
        let bound = |series: &str| {
            let bound = series.strip_prefix(&start)?.strip_suffix("\"}")?;
            bound.replace("+Inf", "inf").parse().ok()
        };
        let buckets = self.0.iter();
        let mut buckets: Vec<(f64, f64)> = buckets
            .filter_map(|(series, count)| Some((bound(series)?, *count)))
            .collect();
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        let all = buckets.last().map(|last| last.1).filter(|all| *all > 0.0)?;
        let holds = |bucket: &&(f64, f64)| bucket.1 >= 0.95 * all;
        buckets.iter().find(holds).map(|bucket| bucket.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# TYPE rejected_total counter\n\
        rejected_total{reason=\"timeout\"} 3\n\
        rejected_total{reason=\"tls\"} 4\n\
        rejected_totals 9\n\
        transport_readiness_transitions_total{state=\"not_ready\",reason=\"draining\"} 1\n\
        transport_readiness_transitions_total{state=\"not_ready\",reason=\"starting\"} 2\n\
        transport_readiness_transitions_total{state=\"ready\",reason=\"none\"} 5\n\
        handshake_latency_seconds_bucket{backend=\"tls\",le=\"0.1\"} 94\n\
        handshake_latency_seconds_bucket{backend=\"tls\",le=\"0.25\"} 95\n\
        handshake_latency_seconds_bucket{backend=\"tls\",le=\"10\"} 99\n\
        handshake_latency_seconds_bucket{backend=\"tls\",le=\"+Inf\"} 100\n";

    #[test]
    #[allow(clippy::float_cmp)]
    fn series_found_summed_and_subtracted() {
        let scrape = Scrape::parse(TEXT);
        assert_eq!(scrape.rejected("tls"), 4.0);
        assert_eq!(scrape.rejects(), 7.0);
        assert!(scrape.rejected("none").is_nan());
        let reasons = [
            ("reason=\"timeout\"".into(), 3.0),
            ("reason=\"tls\"".into(), 4.0),
        ];
        assert_eq!(scrape.nonzero("rejected_total").len(), 2);
        assert!(reasons
            .iter()
            .all(|one| scrape.nonzero("rejected_total").contains(one)));
        assert!(scrape.since(&scrape).nonzero("rejected_total").is_empty());
        assert_eq!(scrape.became_not_ready(), 3.0);
        assert_eq!(scrape.since(&scrape).rejects(), 0.0);
        assert_eq!(scrape.since(&Scrape::default()).rejects(), 7.0);
    }

    #[test]
    fn percentile_is_bound_of_its_bucket() {
        let scrape = Scrape::parse(TEXT);
        assert_eq!(scrape.p95("tls"), Some(0.25));
        assert_eq!(scrape.p95("tcp"), None);
        assert_eq!(scrape.since(&scrape).p95("tls"), None);
    }
}
