//! The treatment of a new connection at the total cap.

/// The treatment of a new connection at `max_conns`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Overflow {
    /// The new connection is refused.
    #[default]
    Refuse,
    /// The new connection takes the place of an idle one.
    ///
    /// The idle connection ends in order.
    Evict,
}

transport_core::choice!(pub Overflow {
    Refuse: "refuse",
    Evict: "evict",
});
