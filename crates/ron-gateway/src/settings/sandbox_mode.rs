//! The setting `sandbox`.

use ron_transport::schema::ValueError;

/// Whether the process is confined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SandboxMode {
    /// As far as the kernel can.
    Try,
    /// The start fails where the kernel cannot.
    On,
    /// Not at all.
    Off,
}

impl SandboxMode {
    /// As it is written.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Try => "try",
            Self::On => "on",
            Self::Off => "off",
        }
    }

    /// Reads one.
    pub(crate) fn parse(text: &str) -> Result<Self, ValueError> {
        let text = text.to_ascii_lowercase();
        [Self::Try, Self::On, Self::Off]
            .into_iter()
            .find(|mode| mode.as_str() == text)
            .ok_or_else(|| ValueError::new("must be try, on or off"))
    }
}
