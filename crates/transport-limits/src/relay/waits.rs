//! Waits that few relays need.

use std::future::Future;
use std::pin::Pin;
use std::task::{ready, Context, Poll};
use std::time::Duration;

use tokio::time::{sleep, Instant, Sleep};
use transport_core::TransportError;

use super::pipe::Pipe;
use crate::control::Control;

/// Longest silence of a stream whose peer's end of stream is withheld.
///
/// It is several round trips of Tor, and longer than a slow circuit needs for its bytes in flight.
const SILENCE: Duration = Duration::from_secs(15);

type Ended = Pin<Box<dyn Future<Output = TransportError> + Send>>;

/// Waits that few relays need, created by the first use.
#[derive(Default)]
pub(super) struct RareWaits(Option<Box<(Option<SilenceTimer>, Option<Ended>)>>);

impl RareWaits {
    /// Waits until the reader of `of` has been silent for 15 s.
    pub(super) fn poll_silence(
        &mut self,
        cx: &mut Context<'_>,
        of: &Pipe,
        control: Option<&Control>,
    ) -> Poll<()> {
        let (silence, _) = &mut **self.0.get_or_insert_with(Default::default);
        let silence = silence.get_or_insert_with(|| SilenceTimer::new(of));
        silence.poll(cx, of, control)
    }

    /// Waits for the end of the connection, and evaluates its deadlines.
    pub(super) fn poll_ended(
        &mut self,
        cx: &mut Context<'_>,
        control: &Control,
    ) -> Poll<TransportError> {
        let (_, ended) = &mut **self.0.get_or_insert_with(Default::default);
        let waiting = ended.get_or_insert_with(|| {
            let control = control.clone();
            Box::pin(async move { control.ended().await })
        });
        let error = ready!(waiting.as_mut().poll(cx));
        *ended = None;
        Poll::Ready(error)
    }
}

/// Waits until a direction has been silent for 15 s.
struct SilenceTimer {
    seen: u64,
    timer: Pin<Box<Sleep>>,
}

impl SilenceTimer {
    fn new(of: &Pipe) -> Self {
        Self {
            seen: of.bytes,
            timer: Box::pin(sleep(SILENCE)),
        }
    }

    /// Untaken bytes and throttled bytes are not silence.
    fn poll(&mut self, cx: &mut Context<'_>, of: &Pipe, control: Option<&Control>) -> Poll<()> {
        while self.timer.as_mut().poll(cx).is_ready() {
            let throttled = control.is_some_and(Control::is_throttled);
            if of.bytes == self.seen && !of.has_rest() && !throttled {
                return Poll::Ready(());
            }
            self.seen = of.bytes;
            self.timer.as_mut().reset(Instant::now() + SILENCE);
        }
        Poll::Pending
    }
}
