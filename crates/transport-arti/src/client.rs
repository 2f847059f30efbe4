//! One Arti client, its tokio runtime, and the slot that dialers share.

mod circuit_streams;
mod exits;
mod instance;
mod no_delay_tcp;
mod path_needs;
mod poll_gate;
mod runtime;
mod slot;

pub(crate) use circuit_streams::StreamOnCircuit;
pub(crate) use exits::{exits_to, has_exit};
pub(crate) use instance::{StartedInstance, TorInstance};
pub(crate) use path_needs::{is_onion, PathNeeds};
pub(crate) use runtime::ArtiRuntime;
pub(crate) use slot::TorClientSlot;
