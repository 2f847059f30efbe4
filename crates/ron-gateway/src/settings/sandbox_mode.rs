//! The setting `sandbox`.

use ron_transport::core::schema::ValueError;

/// The degree of confinement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SandboxMode {
    /// As far as the kernel supports it.
    Try,
    /// The start fails if the kernel lacks support.
    On,
    /// No sandbox.
    Off,
}

impl SandboxMode {
    /// Returns the value as written in the configuration.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Try => "try",
            Self::On => "on",
            Self::Off => "off",
        }
    }

    /// Parses a value.
    pub(crate) fn parse(text: &str) -> Result<Self, ValueError> {
        let text = text.to_ascii_lowercase();
        [Self::Try, Self::On, Self::Off]
            .into_iter()
            .find(|mode| mode.as_str() == text)
            .ok_or_else(|| ValueError::new("must be try, on or off"))
    }
}
