//! The setting `sandbox`.

/// Whether the process is confined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// As far as the kernel can.
    Try,
    /// The start fails where the kernel cannot.
    On,
    /// Not at all.
    Off,
}

ron_transport::core::choice!(pub(crate) Mode {
    Try: "try",
    On: "on",
    Off: "off",
});
