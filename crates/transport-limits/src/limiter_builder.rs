//! Builds limiters, alone or with shared ceilings.

use std::sync::Arc;

use transport_core::schema::{ConflictingSettings, Section};
use transport_core::{NoObserver, Observer, TransportName};

use crate::ceilings::Ceilings;
use crate::core::Core;
use crate::limiter::Limiter;
use crate::registry::Registry;
use crate::settings::Limits;

/// Builds a [`Limiter`].
#[derive(Default)]
pub struct LimiterBuilder {
    limits: Limits,
    observer: Option<Arc<dyn Observer>>,
    name: Option<TransportName>,
    shares: Option<Limiter>,
}

impl std::fmt::Debug for LimiterBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LimiterBuilder")
            .field("limits", &self.limits)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Limiter {
    /// Returns a builder with the default limits and without an observer.
    ///
    /// ```
    /// use transport_limits::{Limiter, Limits};
    ///
    /// let limits = Limits::new().with_max_conns(5000)?;
    /// let shared = Limiter::builder().limits(limits).build()?;
    /// // Two limiters with one cap of 5000 connections.
    /// let public = Limiter::builder().share(&shared).name("public".parse()?).build()?;
    /// let private = Limiter::builder().share(&shared).name("private".parse()?).build()?;
    /// assert_eq!(private.limits().max_conns(), 5000);
    /// # drop(public);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn builder() -> LimiterBuilder {
        LimiterBuilder::default()
    }
}

impl LimiterBuilder {
    /// Sets the limits.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the observer of connections under this limiter.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Sets the name that log events carry in the field `transport`.
    #[must_use]
    pub fn name(mut self, name: TransportName) -> Self {
        self.name = Some(name);
        self
    }

    /// Shares the ceilings of another limiter.
    ///
    /// [`Limits::SHARED_KEYS`] lists them: caps, rates, memory budget and peer table. Deadlines,
    /// frame sizes, address rules, the admission hook, overload and drain are this limiter's own.
    /// [`Limiter::apply`] on the other limiter changes the shared ceilings, for all.
    #[must_use]
    pub fn share(mut self, with: &Limiter) -> Self {
        self.shares = Some(with.clone());
        self
    }

    /// Builds the limiter.
    ///
    /// # Errors
    /// When settings contradict each other, and when limits with a shared ceiling set that ceiling
    /// to another value. A default value counts as not set.
    pub fn build(self) -> Result<Limiter, ConflictingSettings> {
        let Self {
            mut limits,
            observer,
            name,
            shares,
        } = self;
        let observer = observer.unwrap_or_else(|| Arc::new(NoObserver));
        let joined = shares.is_some();
        if let Some(with) = &shares {
            limits = limits.under(&with.core().ceilings().limits())?;
        }
        ConflictingSettings::into_result(limits.check())?;
        let (ceilings, registry) = match &shares {
            Some(with) => (
                Arc::clone(with.core().ceilings()),
                with.registry().sibling(),
            ),
            None => (Arc::new(Ceilings::new(&limits)), Registry::alone()),
        };
        let core = Core::new(&limits, observer, name, ceilings, joined);
        Ok(Limiter::from_parts(Arc::new(core), registry))
    }
}
