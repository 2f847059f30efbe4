//! Several transports in a process: names, shared limiter, metrics.

use std::sync::Arc;

use transport_core::Observer;
use transport_limits::Limiter;

use crate::builder::TransportBuilder;

impl TransportBuilder {
    /// Sets the name of the transport among several in the process.
    ///
    /// Every metric has the label `transport`, and every log event and span the field `transport`,
    /// with this name. Without a name both are absent, and the series of two transports with one
    /// recorder are the same: counters add up, and other gauges show the last value. A name has 1 to
    /// 32 characters `a`–`z`, `0`–`9`, `_` and `-`, and begins with a letter.
    ///
    /// ```
    /// use ron_transport::{Limiter, Limits, Transport};
    ///
    /// let limits = Limits::new().with_max_conns(5000)?;
    /// let shared = Limiter::builder().limits(limits).build()?;
    /// let public = Transport::builder().name("public").limiter(&shared).build()?;
    /// let private = Transport::builder().name("private").limiter(&shared).build()?;
    /// assert_eq!(private.config().limits.max_conns(), 5000);
    /// # drop(public);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.shared.name = Some(name.into());
        self
    }

    /// Shares the ceilings of a limiter with other transports.
    ///
    /// [`Limits::SHARED_KEYS`](transport_limits::Limits::SHARED_KEYS) lists the shared settings: caps, rates, memory budget and peer
    /// table. The limiter owns them. In the settings of the transport they may have their defaults,
    /// which count as not set, or the limiter's values; others fail [`build`](Self::build) and
    /// [`Transport::reload`](crate::Transport::reload). To change them, call [`Limiter::apply`] on
    /// the limiter; [`Transport::config`](crate::Transport::config) shows the values in force.
    ///
    /// Everything else is the transport's own: deadlines, frame sizes, address rules, the admission
    /// hook, overload, readiness and drain.
    #[must_use]
    pub fn limiter(mut self, limiter: &Limiter) -> Self {
        self.shared.limiter = Some(limiter.clone());
        self
    }

    /// Sets the prefix of every metric name, such as `myapp_`.
    ///
    /// By default there is none. Give `Prometheus::with_prefix` the same one, which sets the buckets. It does not apply to
    /// [`observer`](Self::observer).
    #[must_use]
    pub fn metrics_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.shared.prefix = Some(prefix.into());
        self
    }

    /// Sets the metrics recorder.
    ///
    /// By default it is the global recorder, which must be installed before
    /// [`build`](Self::build). This call registers the series, so call it after
    /// [`name`](Self::name), [`metrics_prefix`](Self::metrics_prefix),
    /// [`raw_listener`](Self::raw_listener) and [`raw_dialer`](Self::raw_dialer).
    #[must_use]
    pub fn recorder(mut self, recorder: &dyn metrics::Recorder) -> Self {
        let backends = self.custom.labels_for_recorder();
        // An invalid name or prefix fails the build.
        if let Ok(metrics) = self.shared.metrics() {
            let observer = metrics.build_with(recorder, &backends);
            self.shared.observer = Some(Arc::new(observer));
        }
        self.shared.recorded = Some((self.shared.name.clone(), self.shared.prefix.clone()));
        self
    }

    /// Sets an observer, which replaces the metrics recorder.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.shared.observer = Some(observer);
        self.shared.recorded = None;
        self
    }

    /// Adds an observer beside the metrics recorder.
    ///
    /// It gets every event after the metrics have counted it. It runs in the task of the event, on
    /// hot paths too, so it must not block: a slow observer slows the transport down. A panic of
    /// this observer loses the event for it alone; the first one is logged.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU64, Ordering};
    /// use std::sync::Arc;
    ///
    /// use ron_transport::{Observer, Reason, Transport};
    ///
    /// #[derive(Default)]
    /// struct Rejects(AtomicU64);
    ///
    /// impl Observer for Rejects {
    ///     fn rejected(&self, _reason: Reason) {
    ///         self.0.fetch_add(1, Ordering::Relaxed);
    ///     }
    /// }
    ///
    /// let rejects = Arc::new(Rejects::default());
    /// let transport = Transport::builder().also_observe(rejects.clone()).build()?;
    /// # drop(transport);
    /// # Ok::<(), ron_transport::TransportError>(())
    /// ```
    #[must_use]
    pub fn also_observe(mut self, observer: Arc<dyn Observer>) -> Self {
        self.shared.added.push(observer);
        self
    }
}
