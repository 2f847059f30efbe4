//! The samples of the last 15 minutes, for the status page.
//!
//! A bounded ring holds at most 180 samples of at most 256 series, which is 360 KiB; a gateway with
//! all backends has about 120 series here.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{json, Value};

use super::samples;

/// Interval between samples.
pub(super) const EVERY: Duration = Duration::from_secs(5);
/// Number of samples: 15 minutes.
const SAMPLES: usize = 180;
/// Number of series.
const SERIES: usize = 256;
/// Metrics whose history the page shows.
const FAMILIES: &[&str] = &[
    "conn_inflight",
    "bytes_in_total",
    "bytes_out_total",
    "rejected_total",
    "transport_accepts_total",
    "transport_dials_total",
    "handshake_latency_seconds_bucket",
    "process_cpu_seconds_total",
];

/// The samples of the last 15 minutes.
#[derive(Default)]
pub(super) struct History(Mutex<SampleRing>);

#[derive(Default)]
struct SampleRing {
    /// Series as written in the exposition; their order is fixed.
    series: Vec<String>,
    samples: VecDeque<HistorySample>,
}

struct HistorySample {
    /// In Unix seconds.
    at: f64,
    /// Values by index of their series.
    values: Vec<f64>,
}

impl History {
    /// Adds a sample of an exposition; a full ring drops its oldest.
    pub(super) fn add(&self, at: f64, exposition: &str) {
        let mut ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut values = vec![0.0; ring.series.len()];
        for (series, value) in exposition.lines().filter_map(samples::split) {
            let name = series.split('{').next().unwrap_or_default();
            let Some(value) = FAMILIES
                .contains(&name)
                .then(|| value.parse().ok())
                .flatten()
            else {
                continue;
            };
            // In an exposition that has the series in the same order, the search ends at once.
            match ring.series.iter().position(|known| known == series) {
                Some(at) => values[at] = value,
                None if values.len() < SERIES => {
                    ring.series.push(series.to_owned());
                    values.push(value);
                }
                None => {}
            }
        }
        if ring.samples.len() == SAMPLES {
            ring.samples.pop_front();
        }
        ring.samples.push_back(HistorySample { at, values });
    }

    /// Returns the history as JSON.
    ///
    /// `{"every":5,"series":[["conn_inflight",{"backend":"tcp"}]],"samples":[[1767225600.5,3]]}`: a
    /// sample is its time and a value for each series. Earlier samples lack the values of a later
    /// series.
    pub(super) fn json(&self, started: f64) -> Value {
        let ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let series = ring.series.iter().filter_map(|text| samples::series(text));
        let series: Vec<Value> = series.map(|(name, labels)| json!([name, labels])).collect();
        let sample = |sample: &HistorySample| {
            let values = sample.values.iter().map(|value| number(*value));
            let all = std::iter::once(json!(sample.at)).chain(values);
            Value::Array(all.collect())
        };
        let samples: Vec<Value> = ring.samples.iter().map(sample).collect();
        json!({
            "started": started,
            "every": EVERY.as_secs(),
            "series": series,
            "samples": samples,
        })
    }
}

/// Returns a whole number as an integer.
fn number(value: f64) -> Value {
    const WHOLE: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && (0.0..WHOLE).contains(&value) {
        // Exact below 2^53.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        return (value as u64).into();
    }
    value.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ring_keeps_the_last_15_minutes() {
        let history = History::default();
        for at in 0..200 {
            let text = format!("conn_inflight{{backend=\"tcp\"}} {at}\nother_total 1\n");
            history.add(f64::from(at * 5), &text);
        }
        let json = history.json(0.5);
        assert_eq!(json["started"], 0.5);
        assert_eq!(
            json["series"],
            json!([["conn_inflight", {"backend": "tcp"}]])
        );
        let samples = json["samples"].as_array().unwrap();
        assert_eq!(samples.len(), 180);
        assert_eq!(samples[0], json!([100.0, 20]));
        assert_eq!(samples[179], json!([995.0, 199]));
    }

    #[test]
    fn series_are_bounded() {
        let history = History::default();
        let text: String = (0..1000)
            .map(|n| format!("rejected_total{{reason=\"{n}\"}} 1\n"))
            .collect();
        history.add(1.0, &text);
        history.add(2.0, "process_cpu_seconds_total 0.25\n");
        let json = history.json(0.0);
        assert_eq!(json["series"].as_array().unwrap().len(), SERIES);
        assert_eq!(json["samples"][0].as_array().unwrap().len(), SERIES + 1);
    }

    #[test]
    fn new_series_is_appended() {
        let history = History::default();
        history.add(1.0, "conn_inflight 1\n");
        history.add(2.0, "process_cpu_seconds_total 0.25\nconn_inflight 2\n");
        assert_eq!(
            history.json(0.0)["samples"],
            json!([[1.0, 1], [2.0, 2, 0.25]])
        );
    }
}
