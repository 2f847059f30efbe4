//! Levels of the log.

use tracing::subscriber::Interest;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, Layer};

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
    /// Returns the filter of the spans of connections.
    ///
    /// They exist from `debug` on. Below, each event of a connection has its fields by itself, so that an open connection needs
    /// no span.
    pub(super) fn conn_spans(self) -> ConnSpanFilter {
        ConnSpanFilter {
            are_wanted: matches!(self, Self::Debug | Self::Trace),
        }
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

/// Enables or disables the span of each connection.
pub(super) struct ConnSpanFilter {
    are_wanted: bool,
}

impl ConnSpanFilter {
    fn passes(&self, metadata: &Metadata<'_>) -> bool {
        let is_conn =
            metadata.is_span() && metadata.name() == "conn" && metadata.target() == "ron_transport";
        self.are_wanted || !is_conn
    }
}

impl<S: Subscriber> Layer<S> for ConnSpanFilter {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.passes(metadata) {
            Interest::always()
        } else {
            Interest::never()
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.passes(metadata)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level as L;
    use tracing_subscriber::layer::SubscriberExt;

    #[test]
    fn conn_spans_exist_from_debug() {
        for (level, expected) in [(LogLevel::Info, false), (LogLevel::Debug, true)] {
            let filters = tracing_subscriber::registry()
                .with(level.filter())
                .with(level.conn_spans());
            tracing::subscriber::with_default(filters, || {
                let conn = tracing::info_span!(target: "ron_transport", "conn");
                let dial = tracing::info_span!(target: TARGET, "dial");
                assert_eq!((conn.is_disabled(), dial.is_disabled()), (!expected, false));
            });
        }
    }

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
