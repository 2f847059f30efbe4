//! A robust estimate of a figure's growth.

/// The trend of the second half of the samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trend {
    /// The median.
    pub median: f64,
    /// The increase over that half, computed from the slope.
    pub rise: f64,
}

/// Returns the trend of equidistant samples; `None` for fewer than eight.
///
/// Only the second half counts, because caches fill during the first.
///
/// The slope is the Theil–Sen estimator: the median of the slopes between all pairs. Up to 29 % of
/// the samples may be outliers, so a burst is no trend; a leak is.
#[must_use]
pub fn trend(samples: &[f64]) -> Option<Trend> {
    let late = &samples[samples.len() / 2..];
    if samples.len() < 8 {
        return None;
    }
    let mut slopes = Vec::with_capacity(late.len() * late.len() / 2);
    for (from, a) in late.iter().enumerate() {
        for (to, b) in late.iter().enumerate().skip(from + 1) {
            slopes.push((b - a) / (to - from) as f64);
        }
    }
    Some(Trend {
        median: median(late.to_vec())?,
        rise: median(slopes)? * (late.len() - 1) as f64,
    })
}

/// Returns the median.
#[must_use]
pub fn median(mut of: Vec<f64>) -> Option<f64> {
    of.sort_by(f64::total_cmp);
    let half = of.len() / 2;
    let above = *of.get(half)?;
    let below = if of.len() % 2 == 0 {
        of[half - 1]
    } else {
        above
    };
    Some((below + above) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The samples of a ten-minute run around a level, with periodic noise.
    fn samples(level: impl Fn(f64) -> f64) -> Vec<f64> {
        let noise = |i: u32| f64::from(i * 7919 % 101) / 101.0 - 0.5;
        (0..600)
            .map(|i| level(f64::from(i)) + 6.0 * noise(i))
            .collect()
    }

    fn rise(samples: &[f64]) -> f64 {
        trend(samples).unwrap().rise
    }

    #[test]
    fn noise_bursts_and_warmup_do_not_rise() {
        assert!(rise(&samples(|_| 100.0)).abs() < 1.0);
        // Caches fill, then the level stays.
        assert!(rise(&samples(|i| 100.0 + i.min(250.0))).abs() < 1.0);
        // A fifth of the samples are bursts, most of them late.
        let bursts = |i: f64| {
            if i > 300.0 && i % 5.0 < 1.0 {
                i * 10.0
            } else {
                100.0
            }
        };
        assert!(rise(&samples(bursts)).abs() < 2.0);
        // A wave whose period divides no interval.
        assert!(rise(&samples(|i| 100.0 + 10.0 * (i / 7.3).sin())).abs() < 2.0);
    }

    #[test]
    fn leak_rises_by_its_amount() {
        // One per ten seconds, less than the noise between samples.
        let slow = rise(&samples(|i| 100.0 + (i / 10.0).floor()));
        assert!((29.0..31.0).contains(&slow), "{slow}");
        // A leak that begins late.
        let late = rise(&samples(|i| 100.0 + (i - 400.0).max(0.0) / 2.0));
        assert!(late > 50.0, "{late}");
        // A falling level has a slope too.
        assert!(rise(&samples(|i| 1000.0 - i)) < -290.0);
    }

    #[test]
    fn too_few_samples_have_no_trend() {
        assert_eq!(trend(&[1.0; 7]), None);
        assert_eq!(
            trend(&[1.0; 8]),
            Some(Trend {
                median: 1.0,
                rise: 0.0
            })
        );
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0]), Some(2.0));
    }
}
