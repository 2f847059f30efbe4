//! Errors for backends that are not compiled in, and unsupported schemes.

use transport_core::{Backend, TransportError};
use transport_proxy::ViaProxy;

use crate::scheme::Scheme;

/// The error for a backend that this build lacks.
pub(super) fn backend(backend: Backend) -> TransportError {
    not_compiled_in(backend.as_str(), backend)
}

/// The error for a scheme with a backend that this build lacks.
pub(super) fn scheme(scheme: Scheme) -> TransportError {
    let missing = scheme.missing_backend().unwrap_or(scheme.backends()[0]);
    not_compiled_in(scheme.as_str(), missing)
}

/// The error for a scheme without connections through proxies.
pub(super) fn via(scheme: Scheme, via: &ViaProxy) -> TransportError {
    let scheme = scheme.as_str();
    TransportError::Unsupported {
        what: format!(
            "dialing {scheme}:// through {via}: dial.via applies to tcp:// and tls://; remove it, or \
             dial with DialOptions::with_via(None)"
        ),
    }
}

fn not_compiled_in(name: &str, backend: Backend) -> TransportError {
    let what = format!("{name} is not compiled in; it needs the feature `{backend}`");
    TransportError::Unsupported { what }
}
