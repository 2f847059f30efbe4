//! The verdict over the samples, and its table.

use std::fmt::Write as _;

use ron_lab::trend::trend;
use ron_lab::Scrape;

use crate::figures::{Samples, FIGURES};

/// Prints the table; returns whether nothing grew.
pub(crate) fn print(samples: &Samples) -> bool {
    let (text, is_flat) = table(samples);
    print!("{text}");
    is_flat
}

/// Formats a gateway's counts, to separate intended rejects from failures.
pub(crate) fn counts(name: &str, scrape: &Scrape) -> String {
    let mut text = String::new();
    for metric in [
        "transport_closes_total",
        "rejected_total",
        "tasks_spawned_total",
        "tasks_aborted_total",
    ] {
        let series = scrape.nonzero(metric);
        let series: Vec<_> = series
            .iter()
            .map(|(labels, value)| format!("{} {value}", labels.replace('"', "")))
            .collect();
        let _ = writeln!(text, "{name}: {metric}: {}", series.join("; "));
    }
    text
}

/// Formats the table; returns whether nothing grew.
pub(crate) fn table(samples: &Samples) -> (String, bool) {
    let mut text = format!(
        "{:<15}{:<9}{:>10}{:>10}{:>10}{:>10}{:>10}\n",
        "figure", "server", "first", "most", "median", "rise", "allowed"
    );
    let mut is_flat = true;
    for (at, figure) in FIGURES.iter().enumerate() {
        for series in &samples.series {
            let all = series.figure(at);
            if all.iter().any(|value| value.is_nan()) {
                continue;
            }
            let first = all.first().copied().unwrap_or(f64::NAN);
            let most = all.iter().copied().fold(first, f64::max);
            let Some(trend) = trend(&all) else {
                let _ = writeln!(text, "{:<15}{:<9}too few samples", figure.name, series.name);
                is_flat = false;
                continue;
            };
            let grows = trend.rise > figure.allowed;
            let _ = writeln!(
                text,
                "{:<15}{:<9}{first:>10.1}{most:>10.1}{:>10.1}{:>+10.2}{:>10.1}{}",
                figure.name,
                series.name,
                trend.median,
                trend.rise,
                figure.allowed,
                if grows { "  GROWS" } else { "" },
            );
            is_flat &= !grows;
        }
    }
    text += "(median and rise of the second half; the rise is the median of all slopes)\n";
    (text, is_flat)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::figures::Figures;

    /// Ten minutes of figures that swing around 100.
    ///
    /// One of them also changes.
    pub(crate) fn samples(odd: usize, more: impl Fn(f64) -> f64) -> Samples {
        let mut samples = Samples::of(["one", "two"].into_iter());
        for i in 0..600_u32 {
            samples.at(std::time::Duration::from_secs(u64::from(i)));
            let level = 100.0 + f64::from(i * 7919 % 101) / 101.0;
            let mut figures = [level; FIGURES.len()];
            samples.push("one", Figures(figures));
            figures[odd] += more(f64::from(i));
            samples.push("two", Figures(figures));
        }
        samples
    }

    #[test]
    fn swing_or_early_fill_is_flat() {
        assert!(table(&samples(0, |_| 0.0)).1);
        assert!(table(&samples(1, |i| i.min(290.0))).1);
        assert!(table(&samples(3, |i| (i / 5.0).sin() * 10.0)).1);
    }

    #[test]
    fn growing_figure_fails_by_name() {
        for (at, figure) in FIGURES.iter().enumerate() {
            let (text, is_flat) = table(&samples(at, |i| i * figure.allowed / 200.0));
            assert!(!is_flat, "{text}");
            let grows: Vec<_> = text
                .lines()
                .filter(|line| line.ends_with("GROWS"))
                .collect();
            assert!(
                matches!(grows[..], [line] if line.starts_with(figure.name) && line.contains("two")),
                "{text}"
            );
        }
    }

    #[test]
    fn short_run_is_not_flat() {
        let (text, is_flat) = table(&Samples::of(["one"].into_iter()));
        assert!(!is_flat && text.contains("too few samples"), "{text}");
    }
}
