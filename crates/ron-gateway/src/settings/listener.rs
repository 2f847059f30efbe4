//! The tables `[listeners.NAME]`: what differs from `[transport]` and `[gateway]`.

use ron_transport::config::{NamedSettings, Settings};
use ron_transport::schema::{Section, ValueError};
use ron_transport::{Config, Endpoint, Limits};

use super::Mode;

/// Keys besides those of the shared limiter that all listeners share.
const SHARED: &[&str] = &["preset", "drain_timeout"];

/// The settings of one listener: a transport, and what serves its connections.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct ListenerSettings {
    pub(crate) transport: Config,
    pub(crate) service: ListenerService,
}

/// The service for the connections of a listener.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ListenerService {
    pub(crate) mode: Mode,
    /// The configured targets, each once.
    pub(crate) forward_to: Vec<Endpoint>,
}

impl Default for ListenerService {
    fn default() -> Self {
        Self {
            mode: Mode::Echo,
            forward_to: Vec::new(),
        }
    }
}

impl ListenerService {
    /// Returns the targets to dial: none unless the mode is `forward`.
    pub(crate) fn targets(&self) -> &[Endpoint] {
        match self.mode {
            Mode::Forward => &self.forward_to,
            Mode::Echo | Mode::EchoFrames => &[],
        }
    }
}

impl Settings for ListenerSettings {
    const TABLE: &'static str = "listeners";
    const ENV_PREFIX: &'static str = "RON_LISTENERS_";

    fn sections(&self) -> Vec<&dyn Section> {
        let mut sections = self.transport.sections();
        sections.push(&self.service);
        sections
    }

    fn sections_mut(&mut self) -> Vec<&mut dyn Section> {
        let mut sections = self.transport.sections_mut();
        sections.push(&mut self.service);
        sections
    }

    fn check_across(&self) -> Vec<(&'static str, ValueError)> {
        self.transport.check_across()
    }

    fn missing_feature(name: &str) -> Option<&'static str> {
        Config::missing_feature(name)
    }

    fn warnings(&self, max_fd: Option<u64>) -> Vec<String> {
        self.transport.warnings(max_fd)
    }
}

impl NamedSettings for ListenerSettings {
    fn is_shared(path: &str) -> bool {
        Limits::SHARED_KEYS.contains(&path) || SHARED.contains(&path)
    }
}
