//! The backends that are compiled in, behind one listener and one dialer. A backend that joins
//! adds a variant; nothing else of the facade names one.

#[cfg(feature = "arti")]
mod arti;
mod dialers;
mod listener;
mod live;
#[cfg(feature = "tls")]
mod tls;

pub(crate) use dialers::Dialers;
pub(crate) use listener::{AnyIncoming, AnyListener, Parts};
pub(crate) use live::Live;

use transport_core::{Backend, TransportError};

fn not_compiled_in(what: &str, backend: Backend) -> TransportError {
    let what = format!("{what} is not compiled in; it needs the feature `{backend}`");
    TransportError::Unsupported { what }
}
