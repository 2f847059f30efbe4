//! Response bodies that keep their connection busy.

use std::pin::Pin;
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use ron_transport::Busy;

use crate::request_state::RequestState;

pin_project! {
    /// A response body. Until it has ended, a drain does not close the connection as idle.
    #[derive(Debug)]
    pub struct ResponseBody<B> {
        #[pin]
        body: B,
        request: RequestInFlight,
    }
}

/// A request, from its head to the end of its response.
#[derive(Debug)]
pub(crate) struct RequestInFlight {
    state: RequestState,
    _busy: Busy,
}

impl RequestInFlight {
    pub(crate) fn new(state: RequestState) -> Self {
        let busy = state.control().busy();
        Self { state, _busy: busy }
    }
}

impl Drop for RequestInFlight {
    fn drop(&mut self) {
        self.state.response_ended();
    }
}

impl<B> ResponseBody<B> {
    pub(crate) const fn new(body: B, request: RequestInFlight) -> Self {
        Self { body, request }
    }
}

impl<B: Body> Body for ResponseBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.project().body.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
