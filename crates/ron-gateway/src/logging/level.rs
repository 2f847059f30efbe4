//! Levels of the log.

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

ron_transport::schema::choice!(pub(crate) LogLevel {
    Error: "error",
    Warn: "warn",
    Info: "info",
    Debug: "debug",
    Trace: "trace",
});

impl LogLevel {
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
