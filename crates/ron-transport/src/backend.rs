//! The backends that are compiled in, behind one listener and one dialer. A backend that joins
//! adds a variant; nothing else of the facade names one.

mod dialers;
mod listener;
mod state;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "arti")]
mod tor;

pub(crate) use dialers::Dialers;
pub(crate) use listener::{AnyIncoming, AnyListener, Parts};
pub(crate) use state::Live;

use transport_core::{Backend, TransportError};

fn not_compiled_in(what: &str, backend: Backend) -> TransportError {
    let what = format!("{what} is not compiled in; it needs the feature `{backend}`");
    TransportError::Unsupported { what }
}
