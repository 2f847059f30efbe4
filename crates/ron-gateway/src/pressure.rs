//! Watches memory and refuses new connections while it is short.
//!
//! A dedicated thread reads the control group and the resident memory; the accept path reads one
//! flag. After an overload, usage must fall below 90 % of the limit before connections are accepted
//! again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ron_transport::limits::Threads;
use tokio::time::sleep;

use crate::cgroup::{Cgroup, MemoryReading};
use crate::exit::ExitFailure;
use crate::logging::TARGET;
use crate::process::ResidentMemory;
use crate::runtime;
use crate::service::Listeners;
use crate::settings::MemoryPressure;

/// Interval between readings if a limit exists.
const EVERY: Duration = Duration::from_millis(250);
/// Interval between searches for a limit, which may be set later.
const NO_LIMIT_EVERY: Duration = Duration::from_secs(30);
/// Share of the limit below which overload ends.
const END: f64 = 0.9;

/// The last ratio of used memory to its limit, for `/metrics`.
#[derive(Debug, Clone, Default)]
pub(crate) struct PressureGauge(Arc<AtomicU64>);

impl PressureGauge {
    /// Returns the ratio; 0 without a limit.
    pub(crate) fn ratio(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }

    fn set(&self, ratio: f64) {
        self.0.store(ratio.to_bits(), Ordering::Relaxed);
    }
}

/// The open files and the thread that reads them.
#[derive(Debug)]
pub(crate) struct PressureMonitor {
    sensor: Option<(Arc<MemorySensor>, Threads)>,
    reading: PressureGauge,
}

impl PressureMonitor {
    /// Opens the files and starts the thread.
    pub(crate) fn start(setting: MemoryPressure) -> Result<Self, ExitFailure> {
        let sensor = match setting {
            MemoryPressure::Off => None,
            setting => {
                let threads = Threads::new("pressure", 1);
                let started = threads.start();
                started.map_err(|error| ExitFailure::runtime(runtime::NO_THREAD, &error))?;
                Some((Arc::new(MemorySensor::open(setting)), threads))
            }
        };
        Ok(Self {
            sensor,
            reading: PressureGauge::default(),
        })
    }

    pub(crate) fn reading(&self) -> PressureGauge {
        self.reading.clone()
    }

    /// Watches indefinitely.
    pub(crate) async fn watch(self, listeners: Listeners) {
        let Some((sensor, threads)) = self.sensor else {
            return std::future::pending().await;
        };
        let mut overloaded = false;
        loop {
            let sensing = Arc::clone(&sensor);
            let usage = threads.run(move || sensing.usage()).await.ok().flatten();
            self.reading.set(usage.map_or(0.0, MemoryReading::ratio));
            if let Some(now) = step(overloaded, usage) {
                overloaded = now;
                log_change(overloaded, usage);
                listeners.set_overloaded(overloaded);
            }
            sleep(if usage.is_some() {
                EVERY
            } else {
                NO_LIMIT_EVERY
            })
            .await;
        }
    }
}

/// Returns the new state if it changes; a removed limit ends overload.
fn step(overloaded: bool, usage: Option<MemoryReading>) -> Option<bool> {
    let ratio = usage.map_or(0.0, MemoryReading::ratio);
    let now = if overloaded {
        ratio >= END
    } else {
        ratio >= 1.0
    };
    (now != overloaded).then_some(now)
}

fn log_change(overloaded: bool, usage: Option<MemoryReading>) {
    let (used, limit) = (usage.map(|u| u.used), usage.map(|u| u.limit));
    let source = usage.map(|u| u.source);
    if overloaded {
        tracing::warn!(
            target: TARGET,
            event = "overload",
            used_bytes = used,
            limit_bytes = limit,
            source,
            "memory usage reached its limit: new connections are refused until it is below 90 %",
        );
    } else {
        tracing::info!(
            target: TARGET,
            event = "overload",
            used_bytes = used,
            limit_bytes = limit,
            source,
            "new connections are accepted again",
        );
    }
}

/// The sources of readings.
#[derive(Debug)]
struct MemorySensor {
    cgroup: Mutex<Cgroup>,
    /// Resident memory and its configured limit.
    resident: Option<(ResidentMemory, u64)>,
}

impl MemorySensor {
    fn open(setting: MemoryPressure) -> Self {
        let resident = match setting {
            MemoryPressure::Bytes(limit) => {
                ResidentMemory::open().map(|resident| (resident, limit))
            }
            _ => None,
        };
        Self {
            cgroup: Mutex::new(Cgroup::of_self()),
            resident,
        }
    }

    /// Returns the reading of the control group; searches again without one.
    fn cgroup(&self) -> Option<MemoryReading> {
        let mut cgroup = self.cgroup.lock().unwrap_or_else(PoisonError::into_inner);
        if cgroup.is_empty() {
            *cgroup = Cgroup::of_self();
        }
        cgroup.usage()
    }

    /// Returns the reading closest to its limit.
    fn usage(&self) -> Option<MemoryReading> {
        let resident = self.resident.as_ref().and_then(|(resident, limit)| {
            Some(MemoryReading {
                used: resident.bytes()?,
                limit: *limit,
                source: "memory.pressure",
            })
        });
        let readings = resident.into_iter().chain(self.cgroup());
        readings.max_by(|a, b| a.ratio().total_cmp(&b.ratio()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(used: u64) -> Option<MemoryReading> {
        Some(MemoryReading {
            used,
            limit: 100,
            source: "memory.high",
        })
    }

    #[test]
    fn overload_has_hysteresis() {
        for (overloaded, used, expected) in [
            (false, 99, None),
            (false, 100, Some(true)),
            (false, 500, Some(true)),
            (true, 100, None),
            (true, 90, None),
            (true, 89, Some(false)),
            (true, 0, Some(false)),
        ] {
            assert_eq!(step(overloaded, at(used)), expected, "{overloaded} {used}");
        }
        assert_eq!(step(true, None), Some(false));
        assert_eq!(step(false, None), None);
    }

    #[test]
    fn configured_size_limits_resident_memory() {
        let sensor = MemorySensor::open(MemoryPressure::Bytes(1));
        let usage = sensor.usage().unwrap();
        assert_eq!(usage.source, "memory.pressure");
        assert!(usage.used > 100_000 && usage.ratio() > 100_000.0);
        assert!(PressureMonitor::start(MemoryPressure::Off)
            .unwrap()
            .sensor
            .is_none());
    }
}
