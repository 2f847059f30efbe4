//! The load: its end, and the results of its peers.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ron_lab::client::tls_config;
use ron_lab::Lab;
use tokio_rustls::rustls::ClientConfig;

use crate::args::Args;
use crate::pauses::Pauses;
use crate::peer::Peer;

/// The load, its end, and its counts.
pub(crate) struct Load {
    pub(crate) tls: Arc<ClientConfig>,
    /// One of this many connections stays open.
    leak: Option<u64>,
    /// Factor of all intervals.
    pace: u32,
    pub(crate) pauses: Pauses,
    interrupted: AtomicU64,
    over: (Mutex<bool>, Condvar),
    failed: AtomicBool,
    wrong: Mutex<Vec<String>>,
    pub(crate) conns: AtomicU64,
    pub(crate) bad: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) held: Mutex<Vec<Peer>>,
}

impl Load {
    pub(crate) fn new(lab: &Lab, args: &Args) -> Result<Self, String> {
        Ok(Self {
            tls: tls_config(lab)?,
            leak: args.leak,
            pace: args.pace,
            pauses: Pauses::default(),
            interrupted: AtomicU64::new(0),
            over: (Mutex::new(false), Condvar::new()),
            failed: AtomicBool::new(false),
            wrong: Mutex::default(),
            conns: AtomicU64::new(0),
            bad: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            held: Mutex::default(),
        })
    }

    /// Repeats an action at this interval, or slower if it takes longer.
    ///
    /// A failure ends the load, unless this process was paused meanwhile.
    pub(crate) fn again(
        &self,
        name: &str,
        every: Duration,
        act: impl Fn(u64) -> Result<(), String>,
    ) {
        let mut next = Instant::now();
        let every = every * self.pace;
        for n in 0.. {
            let started = Instant::now();
            if let Err(why) = act(n) {
                if !self.pauses.overlap(started) {
                    self.stop_with(&format!("{name}: {why}"));
                    return;
                }
                self.interrupted.fetch_add(1, Ordering::Relaxed);
            }
            next = Instant::now().max(next + every);
            if self.is_over_within(next.saturating_duration_since(Instant::now())) {
                return;
            }
        }
    }

    /// Returns an interval at the pace of the load.
    pub(crate) fn paced(&self, every: Duration) -> Duration {
        every * self.pace
    }

    /// Counts a good connection and its bytes.
    pub(crate) fn count(&self, bytes: usize) {
        self.conns.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn count_bad(&self) {
        self.bad.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns whether this connection is leaked deliberately.
    pub(crate) fn is_held(&self, n: u64) -> bool {
        self.leak.is_some_and(|of| n % of == 0)
    }

    /// Waits for this duration; returns whether the load has ended.
    pub(crate) fn is_over_within(&self, time: Duration) -> bool {
        let (over, ended) = &self.over;
        let over = over.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = ended.wait_timeout_while(over, time, |over| !*over);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Ends the load.
    pub(crate) fn end(&self) {
        let (over, ended) = &self.over;
        *over.lock().unwrap_or_else(PoisonError::into_inner) = true;
        ended.notify_all();
        self.held
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// Ends the load with this failure, and returns it.
    pub(crate) fn stop_with(&self, why: &str) -> String {
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        wrong.push(why.to_owned());
        drop(wrong);
        self.failed.store(true, Ordering::Relaxed);
        self.end();
        why.to_owned()
    }

    pub(crate) fn goes_well(&self) -> bool {
        !self.failed.load(Ordering::Relaxed)
    }

    /// Returns the failure.
    pub(crate) fn wrong(&self) -> Vec<String> {
        let wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        wrong.clone()
    }

    pub(crate) fn summary(&self) -> String {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let gib = of(&self.bytes) as f64 / f64::from(1 << 30);
        let (conns, bad) = (of(&self.conns), of(&self.bad));
        format!(
            "{conns} good connections with {gib:.1} GiB echoed, {bad} bad ones; {}, which \
             interrupted {} of them",
            self.pauses.summary(),
            of(&self.interrupted)
        )
    }
}
