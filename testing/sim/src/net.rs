//! The simulated network: a raw backend without sockets.

mod dialer;
mod listener;
mod pipe;
mod stream;
mod watch;

pub(crate) use dialer::SimDialer;
pub(crate) use listener::{address, peer_of, SimListener, SimPending, SynQueue};
pub(crate) use stream::{SimIo, WireSide};
pub(crate) use watch::{PlaceWatch, StreamWatch};
