//! What a gateway holds at one moment, and the samples of a whole run.

use std::fs;
use std::time::Duration;

use ron_lab::Gateway;

use crate::sites::Site;

/// A figure of a process, and by how much it may rise in the second half of the run, by the
/// estimate of its slope.
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) allowed: f64,
}

/// Tasks cannot be counted from outside: `tasks_spawned_total` does not tell which of them have
/// ended. But a task that stays holds its connection (in flight, and a descriptor), an entry of a
/// queue, or else its memory, and one that blocks a thread holds that.
///
/// What is counted swings around a level; the estimate of its slope over a run without a leak stays
/// within two or so. Memory is that of whole pages, which the gateway's allocator gives back at
/// once; where frames of up to a MiB come and go it still wanders by what happens to be under way
/// and by what it is cut from: in four runs of eight and ten minutes its rise was -0.60, -0.68, +2.42
/// and +0.72 MiB. So a rise a little over the limit is looked at in a longer run: a leak's grows with
/// the time.
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
    /// Looks at a process and what it says of itself.
    pub(crate) fn of(gateway: &Gateway) -> Result<Self, String> {
        let (dir, metrics) = (format!("/proc/{}/fd", gateway.id()), gateway.scrape()?);
        let fds = fs::read_dir(dir).map_err(|e| format!("no descriptors: {e}"))?;
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

/// How often samples are taken: every second, in a long run as many as in twenty minutes.
pub(crate) fn every(duration: Duration) -> Duration {
    Duration::from_secs(1).max(duration / 1200)
}

/// The samples of one gateway.
pub(crate) struct Series {
    pub(crate) name: &'static str,
    samples: Vec<Figures>,
}

impl Series {
    /// All samples of one figure, by its place in [`FIGURES`].
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

    /// The last sample is of then.
    pub(crate) fn took(&mut self, since_start: Duration) {
        self.took = since_start;
    }

    /// One line for each sample: the gateway, its number, the figures.
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
