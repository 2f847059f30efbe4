//! Counts the outcome of a header once.

use std::sync::Arc;

use transport_core::{Observer, ProxyResult, ProxyVersion};

/// The outcome of a header that is being read. A dropped one counts as `timeout`.
pub(super) struct HeaderMetric {
    observer: Arc<dyn Observer>,
    version: Option<ProxyVersion>,
    result: ProxyResult,
}

impl HeaderMetric {
    pub(super) fn start(observer: &Arc<dyn Observer>) -> Self {
        Self {
            observer: Arc::clone(observer),
            version: None,
            result: ProxyResult::Timeout,
        }
    }

    pub(super) fn version(&mut self, version: Option<ProxyVersion>) {
        self.version = version;
    }

    /// Sets the outcome, which the drop reports.
    pub(super) fn end(&mut self, result: ProxyResult) {
        self.result = result;
    }
}

impl Drop for HeaderMetric {
    fn drop(&mut self) {
        self.observer.proxy_header(self.version, self.result);
    }
}
