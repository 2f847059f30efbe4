//! The figures of a gateway, and the samples of a run.

use std::fs;
use std::time::Duration;

use ron_lab::Gateway;

use crate::sites::Site;

/// A figure of a process, with its allowed rise.
///
/// The rise counts over the second half of the run, by the estimated slope.
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) allowed: f64,
}

/// The figures, each with its allowed rise.
///
/// Tasks cannot be counted from outside: `tasks_spawned_total` does not show which of them have
/// ended. But a leaked task keeps its connection (in flight, and a descriptor), an entry of a
/// queue, or its memory, and one that blocks a thread keeps the thread.
///
/// Counts swing around a level; without a leak, their estimated rise stays within about two. Memory
/// is counted in whole pages, which the gateway's allocator returns at once. With frames of up to a
/// MiB it still varies with the bytes in transit and with fragmentation: in four runs of eight and
/// ten minutes its rise was -0.60, -0.68, +2.42 and +0.72 MiB. Repeat a run with a rise slightly
/// above the limit for a longer time: the rise of a leak grows with it.
pub(crate) const FIGURES: [Figure; 6] = [
    Figure {
        name: "memory, MiB",
        allowed: 2.0,
    },
    Figure {
        name: "descriptors",
        allowed: 5.0,
    },
    Figure {
        name: "threads",
        allowed: 2.0,
    },
    Figure {
        name: "connections",
        allowed: 5.0,
    },
    Figure {
        name: "queued",
        allowed: 5.0,
    },
    Figure {
        name: "peers",
        allowed: 2.0,
    },
];

/// One sample, in the order of [`FIGURES`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures(pub(crate) [f64; FIGURES.len()]);

impl Figures {
    /// Reads the figures of a process and of its metrics.
    pub(crate) fn of(gateway: &Gateway) -> Result<Self, String> {
        let (dir, metrics) = (format!("/proc/{}/fd", gateway.id()), gateway.scrape()?);
        let fds = fs::read_dir(dir).map_err(|e| format!("cannot list descriptors: {e}"))?;
        Ok(Self([
            gateway.status("VmRSS:")? / 1024.0,
            fds.count() as f64,
            gateway.status("Threads:")?,
            metrics.inflight(),
            metrics.sum("queue_depth"),
            metrics.sum("peers_tracked"),
        ]))
    }

    pub(crate) fn descriptors(&self) -> f64 {
        self.0[1]
    }

    pub(crate) fn connections(&self) -> f64 {
        self.0[3]
    }
}

/// The sampling interval, longer in a long run.
pub(crate) fn every(duration: Duration) -> Duration {
    Duration::from_secs(1).max(duration / 1200)
}

/// The samples of one gateway.
pub(crate) struct Series {
    pub(crate) name: &'static str,
    samples: Vec<Figures>,
}

impl Series {
    /// Returns all samples of one figure, by its index in [`FIGURES`].
    pub(crate) fn figure(&self, at: usize) -> Vec<f64> {
        self.samples.iter().map(|sample| sample.0[at]).collect()
    }
}

/// The samples of a run.
pub(crate) struct Samples {
    pub(crate) series: Vec<Series>,
    took: Duration,
}

impl Samples {
    pub(crate) fn new(sites: &[Site]) -> Self {
        Self::of(sites.iter().map(|site| site.name))
    }

    pub(crate) fn of(names: impl Iterator<Item = &'static str>) -> Self {
        let series = names.map(|name| Series {
            name,
            samples: Vec::new(),
        });
        Self {
            series: series.collect(),
            took: Duration::ZERO,
        }
    }

    pub(crate) fn push(&mut self, name: &str, sample: Figures) {
        let series = self.series.iter_mut().find(|series| series.name == name);
        if let Some(series) = series {
            series.samples.push(sample);
        }
    }

    /// The time of the last sample.
    pub(crate) fn took(&mut self, since_start: Duration) {
        self.took = since_start;
    }

    /// Formats one CSV line per sample: gateway, number, figures.
    pub(crate) fn csv(&self) -> String {
        let names = FIGURES.map(|figure| figure.name.replace(',', ""));
        let mut text = format!("gateway,sample,{}\n", names.join(","));
        for series in &self.series {
            for (at, sample) in series.samples.iter().enumerate() {
                let figures = sample.0.map(|figure| format!("{figure:.2}"));
                text += &format!("{},{at},{}\n", series.name, figures.join(","));
            }
        }
        text
    }

    pub(crate) fn minutes(&self) -> f64 {
        self.took.as_secs_f64() / 60.0
    }
}
