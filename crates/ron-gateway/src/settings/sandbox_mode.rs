//! The setting `sandbox`.

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

ron_transport::schema::choice!(pub(crate) SandboxMode {
    Try: "try",
    On: "on",
    Off: "off",
});
