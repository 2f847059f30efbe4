//! The gateway's log.
//!
//! It has formats, a level filter, and a writer that never blocks the service.

mod batch;
mod dropped;
mod entry;
mod format;
mod json;
mod layer;
mod level;
mod logfmt;
mod queue;
mod sink;
mod stdout;
mod target;
mod text;
mod timestamp;

pub(crate) use dropped::DroppedLines;
pub(crate) use format::LogFormat;
pub(crate) use level::LogLevel;
pub(crate) use sink::Writer;
pub(crate) use target::TARGET;

use std::io::{stdout, IsTerminal};

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;

use entry::{Fields, LogEntry};
use layer::LogLayer;
use stdout::UnbufferedStdout;

/// Starts the log of the running service on stdout.
///
/// Keep the returned writer: its drop waits, for a bounded time, until all lines are written.
pub(crate) fn start(format: LogFormat, level: LogLevel) -> std::io::Result<Writer> {
    let terminal = stdout().is_terminal();
    let coloured = terminal && std::env::var_os("NO_COLOR").is_none();
    let render = format.render(terminal, coloured);
    let notice = move |dropped| {
        let (mut fields, mut line) = (Fields::default(), String::new());
        render(&mut line, &LogEntry::dropped(dropped, &mut fields));
        line
    };
    let (sink, writer) = sink::start(UnbufferedStdout, notice)?;
    let layer = LogLayer::new(render, sink);
    let filtered = registry().with(level.filter()).with(level.conn_spans());
    let subscriber = filtered.with(layer);
    // No other code in this process installs a subscriber.
    let _ = tracing::subscriber::set_global_default(subscriber);
    Ok(writer)
}
