//! The load: how many of which peers, and what became of them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::Scope;
use std::time::{Duration, Instant};

use ron_lab::client::tls_config;
use ron_lab::Lab;
use tokio_rustls::rustls::ClientConfig;

use crate::peers;
use crate::sites::Site;

/// Peers of each gateway that come and go, and how long after one connection comes the next.
const CHURNERS: u64 = 4;
const CHURN_EVERY: Duration = Duration::from_millis(125);
/// How long after one bad connection comes the next.
const BAD_EVERY: Duration = Duration::from_millis(500);
/// How long after one exchange on a steady connection comes the next.
pub(crate) const STEADY_EVERY: Duration = Duration::from_millis(100);

/// The load, its end, and what it counts.
pub(crate) struct Load {
    pub(crate) tls: Arc<ClientConfig>,
    /// Of so many connections one is never closed.
    leak: Option<u64>,
    over: (Mutex<bool>, Condvar),
    failed: AtomicBool,
    wrong: Mutex<Vec<String>>,
    pub(crate) conns: AtomicU64,
    pub(crate) bad: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) held: Mutex<Vec<peers::Peer>>,
}

impl Load {
    pub(crate) fn new(lab: &Lab, leak: Option<u64>) -> Result<Self, String> {
        Ok(Self {
            tls: tls_config(lab)?,
            leak,
            over: (Mutex::new(false), Condvar::new()),
            failed: AtomicBool::new(false),
            wrong: Mutex::default(),
            conns: AtomicU64::new(0),
            bad: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            held: Mutex::default(),
        })
    }

    /// Starts every peer, each in a thread of its own.
    pub(crate) fn start<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        sites: &'scope [Site],
    ) {
        for site in sites {
            for churner in 0..CHURNERS {
                scope.spawn(move || {
                    self.again(site, CHURN_EVERY, |n| {
                        peers::churn(self, site, n * CHURNERS + churner)
                    });
                });
            }
            scope.spawn(|| self.again(site, BAD_EVERY, |n| peers::bad(self, site, n)));
            scope.spawn(|| self.again(site, Duration::ZERO, |_| peers::silent(self, site)));
            scope.spawn(|| self.again(site, Duration::ZERO, |_| peers::steady(self, site)));
        }
    }

    /// Does something again and again at this distance, or slower where it takes longer. What goes
    /// wrong ends the load.
    fn again(&self, site: &Site, every: Duration, act: impl Fn(u64) -> Result<(), String>) {
        let mut next = Instant::now();
        for n in 0.. {
            if let Err(why) = act(n) {
                self.stop_with(&format!("{}: {why}", site.name));
                return;
            }
            next = Instant::now().max(next + every);
            if self.is_over_within(next.saturating_duration_since(Instant::now())) {
                return;
            }
        }
    }

    /// Whether this connection is one that is never closed.
    pub(crate) fn is_held(&self, n: u64) -> bool {
        self.leak.is_some_and(|of| n % of == 0)
    }

    /// Waits so long, or less where the load ends; whether it has.
    pub(crate) fn is_over_within(&self, time: Duration) -> bool {
        let (over, ended) = &self.over;
        let over = over.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = ended.wait_timeout_while(over, time, |over| !*over);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Ends it.
    pub(crate) fn end(&self) {
        let (over, ended) = &self.over;
        *over.lock().unwrap_or_else(PoisonError::into_inner) = true;
        ended.notify_all();
        self.held
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// Ends it because of this, which it returns.
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

    /// What went wrong.
    pub(crate) fn wrong(&self) -> Vec<String> {
        let wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        wrong.clone()
    }

    pub(crate) fn summary(&self) -> String {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let gib = of(&self.bytes) as f64 / f64::from(1 << 30);
        let (conns, bad) = (of(&self.conns), of(&self.bad));
        format!("{conns} good connections with {gib:.1} GiB there and back, {bad} bad ones")
    }
}
