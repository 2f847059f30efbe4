//! The setting `sandbox`.

/// Whether the process is confined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SandboxMode {
    /// As far as the kernel supports it.
    Try,
    /// The start fails if the kernel lacks support.
    On,
    /// No sandbox.
    Off,
}

ron_transport::schema::choice!(pub(crate) SandboxMode {
    Try: "try",
    On: "on",
    Off: "off",
});
