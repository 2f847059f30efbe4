//! The gateway's log: the formats, what is let through, and a writer that never holds the
//! service up.

mod batch;
mod dropped;
mod entry;
mod format;
mod json;
mod layer;
mod level;
mod logfmt;
mod sink;
mod stdout;
mod text;
mod timestamp;

pub(crate) use dropped::Dropped;
pub(crate) use format::Format;
pub(crate) use level::Level;
pub(crate) use sink::Writer;

use std::io::{stdout, IsTerminal};

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;

use entry::Entry;
use layer::LogLayer;
use stdout::Unbuffered;

/// The target of the gateway's own events.
pub(crate) const TARGET: &str = "ron_gateway";

/// Starts the log of the running service on stdout. The writer must be kept: its drop waits, for
/// a bounded time, until everything is written.
pub(crate) fn start(format: Format, level: Level) -> std::io::Result<Writer> {
    let terminal = stdout().is_terminal();
    let coloured = terminal && std::env::var_os("NO_COLOR").is_none();
    let render = format.render(terminal, coloured);
    let notice = move |dropped| render(&Entry::dropped(dropped));
    let (sink, writer) = sink::start(Unbuffered, notice)?;
    let layer = LogLayer::new(render, sink);
    let subscriber = registry().with(level.filter()).with(layer);
    // Nothing else in this process installs one.
    let _ = tracing::subscriber::set_global_default(subscriber);
    Ok(writer)
}
