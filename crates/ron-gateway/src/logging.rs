//! The gateway's log: the formats, what is let through, and a writer that never holds the
//! service up.

mod format;
mod json;
mod layer;
mod level;
mod logfmt;
mod record;
mod sink;
mod text;
mod timestamp;

pub(crate) use format::Format;
pub(crate) use level::Level;
pub(crate) use sink::Writer;

use std::io::{stdout, IsTerminal};

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;

use layer::LogLayer;

/// The target of the gateway's own events.
pub(crate) const TARGET: &str = "ron_gateway";

/// Starts the log of the running service on stdout. The writer must be kept: its drop waits, for
/// a bounded time, until everything is written.
pub(crate) fn start(format: Format, level: Level) -> std::io::Result<Writer> {
    let terminal = stdout().is_terminal();
    let coloured = terminal && std::env::var_os("NO_COLOR").is_none();
    let (sink, writer) = sink::start(stdout())?;
    let layer = LogLayer::new(format.render(terminal, coloured), sink);
    let subscriber = registry().with(level.filter()).with(layer);
    // Nothing else in this process installs one.
    let _ = tracing::subscriber::set_global_default(subscriber);
    Ok(writer)
}
