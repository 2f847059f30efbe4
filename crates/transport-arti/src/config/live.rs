//! Settings that can be replaced while a Tor client is at work.

use std::sync::{Arc, PoisonError, RwLock};

use super::ArtiConfig;

/// An [`ArtiConfig`] that can be replaced while it is used: the time a bootstrap may take and what
/// a dial does change from then on; directories and the onion service stay as they were at the
/// start. Cheap to clone; clones are the same.
#[derive(Debug, Clone, Default)]
pub struct LiveArtiConfig(Arc<RwLock<Arc<ArtiConfig>>>);

impl LiveArtiConfig {
    /// Starts with this configuration.
    #[must_use]
    pub fn new(config: &ArtiConfig) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(config.clone()))))
    }

    /// The configuration in force.
    #[must_use]
    pub fn get(&self) -> Arc<ArtiConfig> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another configuration in force.
    pub fn set(&self, config: &ArtiConfig) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config.clone());
    }
}
