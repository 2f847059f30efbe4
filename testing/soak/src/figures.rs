//! The figures of a gateway, and the samples of a run.

use std::fs;
use std::time::Duration;

use ron_lab::Gateway;

const MIB: f64 = 1024.0 * 1024.0;

/// A figure of a process, with its allowed rise.
///
/// The rise counts over the second half of the run, by the estimated slope.
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) allowed: f64,
}

/// The figures, each with its allowed rise.
///
/// Counts swing around a level; without a leak, their estimated rise stays within about two. Memory
/// is counted in whole pages, which the gateway's allocator returns at once. With frames of up to a
/// MiB it still varies with the bytes in transit and with fragmentation: in four runs of eight and
/// ten minutes its rise was -0.60, -0.68, +2.42 and +0.72 MiB. Repeat a run with a rise slightly
/// above the limit for a longer time: the rise of a leak grows with it.
///
/// The allocator's figure is its own count of memory that it has from the system, in regions of up to
/// 4 MiB, of which it has not touched every page. A rise of the
/// first figure alone is memory outside of the allocator, such as stacks and files.
pub(crate) const FIGURES: [Figure; 9] = [
    Figure {
        name: "memory, MiB",
        allowed: 2.0,
    },
    Figure {
        name: "allocator, MiB",
        allowed: 8.0,
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
        name: "tasks",
        allowed: 5.0,
    },
    Figure {
        name: "connections",
        allowed: 5.0,
    },
    Figure {
        name: "registered",
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
///
/// NaN where a server has no such figure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures(pub(crate) [f64; FIGURES.len()]);

impl Figures {
    /// Reads the figures of a gateway's process, and of its admin endpoint.
    pub(crate) fn of(gateway: &Gateway) -> Result<Self, String> {
        let mut figures = Self::of_process(gateway.id())?;
        let metrics = gateway.scrape()?;
        let (_, conns) = gateway.admin.get("/connections")?;
        let conns: serde_json::Value =
            serde_json::from_str(&conns).map_err(|e| format!("/connections: {e}"))?;
        figures.0[1] = metrics.value("ron_gateway_heap_committed_bytes") / MIB;
        figures.0[4] = metrics.value("ron_gateway_tasks");
        figures.0[5] = metrics.inflight();
        figures.0[6] = conns["open"].as_f64().unwrap_or(f64::NAN);
        figures.0[7] = metrics.sum("queue_depth");
        figures.0[8] = metrics.sum("peers_tracked");
        Ok(figures)
    }

    /// Reads the figures of a process.
    pub(crate) fn of_process(id: u32) -> Result<Self, String> {
        let status = fs::read_to_string(format!("/proc/{id}/status"));
        let status = status.map_err(|e| format!("the process has ended: {e}"))?;
        let value = |field: &str| -> f64 {
            let line = status.lines().find_map(|line| line.strip_prefix(field));
            let value = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
            value.unwrap_or(f64::NAN)
        };
        let fds = fs::read_dir(format!("/proc/{id}/fd"));
        let fds = fds.map_err(|e| format!("cannot list descriptors: {e}"))?;
        let mut figures = [f64::NAN; FIGURES.len()];
        figures[0] = value("VmRSS:") / 1024.0;
        figures[2] = fds.count() as f64;
        figures[3] = value("Threads:");
        Ok(Self(figures))
    }

    pub(crate) fn descriptors(&self) -> f64 {
        self.0[2]
    }

    pub(crate) fn tasks(&self) -> f64 {
        self.0[4]
    }

    pub(crate) fn connections(&self) -> f64 {
        self.0[5]
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
    /// The minute of each sample since the start.
    minutes: Vec<f64>,
}

impl Samples {
    pub(crate) fn of(names: impl Iterator<Item = &'static str>) -> Self {
        let series = names.map(|name| Series {
            name,
            samples: Vec::new(),
        });
        Self {
            series: series.collect(),
            minutes: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, name: &str, sample: Figures) {
        let series = self.series.iter_mut().find(|series| series.name == name);
        if let Some(series) = series {
            series.samples.push(sample);
        }
    }

    /// Sets the time of the next samples, since the start.
    pub(crate) fn at(&mut self, since_start: Duration) {
        self.minutes.push(since_start.as_secs_f64() / 60.0);
    }

    /// Returns the minutes of the samples.
    pub(crate) fn times(&self) -> &[f64] {
        &self.minutes
    }

    /// Formats one CSV line per sample: server, minute, figures.
    pub(crate) fn csv(&self) -> String {
        let names = FIGURES.map(|figure| figure.name.replace(',', ""));
        let mut text = format!("server,minute,{}\n", names.join(","));
        for series in &self.series {
            for (at, sample) in self.minutes.iter().zip(&series.samples) {
                let figures = sample.0.map(|figure| format!("{figure:.2}"));
                text += &format!("{},{at:.3},{}\n", series.name, figures.join(","));
            }
        }
        text
    }

    pub(crate) fn minutes(&self) -> f64 {
        self.minutes.last().copied().unwrap_or(0.0)
    }
}
