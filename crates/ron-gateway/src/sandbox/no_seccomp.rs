//! The system call filter in a build without it.

/// Fails.
pub(super) fn apply_to_all_threads() -> Result<(), String> {
    Err("it needs Linux on x86_64 or aarch64".to_owned())
}
