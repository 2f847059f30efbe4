//! A layer that adds the client's verified identity to requests.

use std::task::{Context, Poll};

use http::Request;
use tower_layer::Layer;
use tower_service::Service;

use crate::ConnDetails;

/// Adds the client's [`VerifiedIdentity`](ron_transport::VerifiedIdentity) to each request's
/// extensions.
///
/// It reads [`ConnDetails`] from the extensions, where [`serve_http`](crate::serve_http) and tonic put
/// it; with `axum::serve` it reads the `ConnectInfo`. A request of a client without a verified
/// certificate gets no identity.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct IdentityLayer {}

impl IdentityLayer {
    /// Creates the layer.
    #[must_use]
    pub const fn new() -> Self {
        Self {}
    }
}

impl<S> Layer<S> for IdentityLayer {
    type Service = IdentityService<S>;

    fn layer(&self, inner: S) -> IdentityService<S> {
        IdentityService(inner)
    }
}

/// The service of [`IdentityLayer`].
#[derive(Debug, Clone)]
pub struct IdentityService<S>(S);

impl<S, B> Service<Request<B>> for IdentityService<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        let identity = details(&request).and_then(|conn| conn.verified_identity().cloned());
        if let Some(identity) = identity {
            request.extensions_mut().insert(identity);
        }
        self.0.call(request)
    }
}

fn details<B>(request: &Request<B>) -> Option<&ConnDetails> {
    let extensions = request.extensions();
    #[cfg(feature = "axum")]
    if let Some(info) = extensions.get::<axum::extract::ConnectInfo<ConnDetails>>() {
        return Some(&info.0);
    }
    extensions.get::<ConnDetails>()
}
