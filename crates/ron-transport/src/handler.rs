//! Connection handlers: their output, and a future that logs it.

use std::fmt::Display;
use std::future::Future;
use std::pin::Pin;
use std::task::{ready, Context, Poll};

use pin_project_lite::pin_project;
use transport_limits::Control;

/// The output of a connection handler: `()` or a `Result`.
///
/// [`Transport::serve`](crate::Transport::serve) logs an error at debug level, as event `handler`.
/// The error does not change how the connection ends: dropping the [`Conn`](crate::Conn) ends it in
/// order, and [`Io::abort`](crate::Io::abort) resets it.
pub trait HandlerOutput {
    /// Passes the error to `report`, if there is one.
    fn report(self, report: impl FnOnce(&dyn Display));
}

impl HandlerOutput for () {
    fn report(self, _: impl FnOnce(&dyn Display)) {}
}

impl<T, E: Display> HandlerOutput for Result<T, E> {
    fn report(self, report: impl FnOnce(&dyn Display)) {
        if let Err(error) = self {
            report(&error);
        }
    }
}

pin_project! {
    /// Runs a handler and logs its error. An `async` block would store the handler twice.
    pub(crate) struct LogError<F> {
        #[pin]
        handler: F,
        control: Control,
    }
}

impl<F> LogError<F> {
    pub(crate) const fn new(handler: F, control: Control) -> Self {
        Self { handler, control }
    }
}

impl<F> Future for LogError<F>
where
    F: Future,
    F::Output: HandlerOutput,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let output = ready!(this.handler.poll(cx));
        let transport = this.control.transport();
        output.report(|error| {
            tracing::debug!(target: "ron_transport", transport, event = "handler", error = %error);
        });
        Poll::Ready(())
    }
}
