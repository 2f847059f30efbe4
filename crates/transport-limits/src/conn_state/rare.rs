//! The state that few connections use.

use std::sync::atomic::{AtomicU64, AtomicU8};
use std::sync::{Arc, OnceLock, Weak};

use transport_core::ConnInfo;

use super::CloseStream;

/// State that few connections use; its first use allocates it.
///
/// An idle connection holds none of it.
#[derive(Debug, Default)]
pub(super) struct RareState {
    /// Bytes that the peer owes, and since when.
    pub(super) owed: AtomicU64,
    pub(super) owed_since: AtomicU64,
    /// Until when each half is parked. A dropped operation is not parked past that tick.
    pub(super) parked_until: [AtomicU64; 2],
    /// The scope that each half was last parked for.
    pub(super) parked_for: [AtomicU8; 2],
    /// Set once an upgrade has replaced the stream.
    pub(super) upgraded: OnceLock<UpgradedStream>,
    pub(super) corr_id: OnceLock<Box<str>>,
}

/// The stream and description of an upgraded connection.
#[derive(Debug)]
pub(super) struct UpgradedStream {
    pub(super) stream: Weak<dyn CloseStream>,
    pub(super) info: Arc<ConnInfo>,
}
