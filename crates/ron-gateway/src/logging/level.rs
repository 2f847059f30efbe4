//! Levels of the log.

use ron_transport::core::schema::ValueError;
use tracing_subscriber::filter::{LevelFilter, Targets};

use super::target::TARGET;

/// The setting `log.level`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogLevel {
    /// Errors.
    Error,
    /// Warnings and above.
    Warn,
    /// Events for operators, and above.
    Info,
    /// Steps of every connection, and above.
    Debug,
    /// All events.
    Trace,
}

impl LogLevel {
    const ALL: [Self; 5] = [
        Self::Error,
        Self::Warn,
        Self::Info,
        Self::Debug,
        Self::Trace,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }

    pub(crate) fn parse(text: &str) -> Result<Self, ValueError> {
        Self::ALL
            .into_iter()
            .find(|level| level.as_str() == text)
            .ok_or_else(|| ValueError::new("no such level"))
    }

    /// Returns the filter: own targets at this level, others at most `warn`.
    pub(super) fn filter(self) -> Targets {
        let level = match self {
            Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
            Self::Trace => LevelFilter::TRACE,
        };
        Targets::new()
            .with_default(level.min(LevelFilter::WARN))
            .with_target("ron_transport", level)
            .with_target(TARGET, level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level as L;

    #[test]
    fn level_applies_to_own_targets_only() {
        let trace = LogLevel::Trace.filter();
        for target in ["tor_proto", "arti_client", "rustls::conn", "hyper"] {
            assert!(trace.would_enable(target, &L::WARN), "{target}");
            assert!(!trace.would_enable(target, &L::INFO), "{target}");
        }
        for target in ["ron_transport", "ron_transport::arti", "ron_gateway"] {
            assert!(trace.would_enable(target, &L::TRACE), "{target}");
            assert!(!LogLevel::Error.filter().would_enable(target, &L::WARN));
        }
        assert!(!LogLevel::Error.filter().would_enable("hyper", &L::WARN));
    }
}
