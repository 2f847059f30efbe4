//! The `tracing` layer that turns an event into a line.

use std::cell::RefCell;

use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::entry::{Fields, LogEntry};
use super::format::RenderFn;
use super::sink::Sink;

/// Logs every event that passes the filter.
pub(super) struct LogLayer {
    render: RenderFn,
    sink: Sink,
}

impl LogLayer {
    pub(super) const fn new(render: RenderFn, sink: Sink) -> Self {
        Self { render, sink }
    }
}

impl<S> Layer<S> for LogLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(SpanFields(fields));
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            if let Some(fields) = span.extensions_mut().get_mut::<SpanFields>() {
                values.record(&mut fields.0);
            }
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut buffers = LINE.try_with(RefCell::take).unwrap_or_default();
        let LineBuffers { fields, line } = &mut buffers;
        event.record(fields);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(span) = span.extensions().get::<SpanFields>() {
                fields.inherit(&span.0);
            }
        }
        (self.render)(line, &LogEntry::new(event.metadata(), fields));
        self.sink.offer(line);
        if line.capacity() <= KEPT_BYTES {
            line.clear();
            fields.clear();
            // Fails only while the thread ends.
            let _ = LINE.try_with(|kept| kept.replace(buffers));
        }
    }
}

/// The fields of a span, as one of its extensions.
struct SpanFields(Fields);

/// The buffers of a line.
#[derive(Default)]
struct LineBuffers {
    fields: Fields,
    line: String,
}

/// Longest line whose buffers are kept for the next one.
const KEPT_BYTES: usize = 4 << 10;

thread_local! {
    /// The buffers of this thread; empty while it logs a line.
    static LINE: RefCell<LineBuffers> = RefCell::default();
}

#[cfg(test)]
mod tests {
    use super::super::sink::test_sink;
    use super::super::{json, logfmt, text};
    use super::*;
    use tracing::{info, info_span, warn};
    use tracing_subscriber::layer::SubscriberExt;

    fn logged(render: RenderFn, log: impl FnOnce()) -> Vec<String> {
        let (sink, lines) = test_sink();
        let subscriber = tracing_subscriber::registry().with(LogLayer::new(render, sink));
        tracing::subscriber::with_default(subscriber, log);
        lines.take()
    }

    #[test]
    fn span_fields_appear_once() {
        let lines = logged(logfmt::render, || {
            let span = info_span!(target: "ron_transport", "conn", conn_id = 7, backend = "tcp");
            let _in = span.enter();
            let outcome: Option<&str> = None;
            info!(target: "ron_transport", event = "close", conn_id = 7, reason = "eof", outcome);
        });
        let tail = "level=info target=ron_transport event=close conn_id=7 reason=eof backend=tcp\n";
        assert!(
            lines[0].starts_with("ts=20") && lines[0].ends_with(tail),
            "{lines:?}"
        );
    }

    #[test]
    fn values_cannot_forge_fields_or_lines() {
        let forged = "a\nts=1 level=info event=close\" x=1 \u{1b}[2J";
        for render in [logfmt::render, json::render, text::plain, text::coloured] {
            let lines = logged(render, || {
                let span = info_span!("conn", corr_id = forged);
                let _in = span.enter();
                warn!(error = %forged, "{forged}");
            });
            assert_eq!(lines.len(), 1);
            let line = lines[0].strip_suffix('\n').unwrap();
            assert!(
                !line.contains('\n') && !line.contains("\u{1b}[2J"),
                "{line:?}"
            );
        }
    }

    #[test]
    fn json_line_is_object_with_every_field() {
        let lines = logged(json::render, || {
            let span = info_span!("conn", conn_id = 7);
            let _in = span.enter();
            let text = "q\"\u{7f}\u{85}";
            info!(
                event = "dial",
                target = "a:1",
                ok = true,
                load = 0.5,
                text,
                "done"
            );
        });
        let value: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
        assert!(lines[0].starts_with("{\"ts\":\"20"));
        assert_eq!(value["msg"], "done");
        assert_eq!(value["conn_id"], 7);
        assert_eq!(value["field.target"], "a:1");
        assert_eq!(value["ok"], true);
        assert_eq!(value["load"], 0.5);
        assert_eq!(value["text"], "q\"\u{7f}\u{85}");
    }
}
