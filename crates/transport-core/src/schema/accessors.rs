//! Accessors of plain fields.

/// Implements getters and setters of a settings struct.
///
/// Getters are for fields that are `Copy`, setters for fields without a range.
///
/// ```
/// #[derive(Default)]
/// pub struct Options {
///     nodelay: bool,
///     backlog: u32,
/// }
///
/// transport_core::accessors! {
///     impl Options {
///         /// Whether small writes are sent at once.
///         nodelay, set_nodelay: bool;
///         /// Connections that the kernel holds.
///         backlog: u32;
///     }
/// }
///
/// let mut options = Options::default();
/// options.set_nodelay(true);
/// assert!(options.nodelay() && options.backlog() == 0);
/// ```
#[macro_export]
macro_rules! accessors {
    (impl $name:ident { $($(#[$doc:meta])* $field:ident $(, $setter:ident)?: $type:ty;)* }) => {
        impl $name {
            $(
                $(#[$doc])*
                #[must_use]
                pub const fn $field(&self) -> $type {
                    self.$field
                }

                $(
                    #[doc = concat!("Sets [`", stringify!($field), "`](Self::", stringify!($field), ").")]
                    pub fn $setter(&mut self, value: $type) -> &mut Self {
                        self.$field = value;
                        self
                    }
                )?
            )*
        }
    };
}
