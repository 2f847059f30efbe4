//! Names of application protocols (RFC 7301 §3.1).

use transport_core::schema::ValueError;

/// The allowed values, in words.
pub(crate) const RULE: &str = "up to 32 names of 1 to 255 bytes, most preferred first";
/// Keeps a hello with all names within one TLS record (16 KiB).
pub(crate) const MAX_NAMES: usize = 32;

/// Checks the number of names and their lengths.
pub(super) fn checked(names: Vec<String>) -> Result<Vec<String>, ValueError> {
    let fits = |name: &String| (1..=255).contains(&name.len());
    if names.len() > MAX_NAMES || !names.iter().all(fits) {
        return Err(ValueError::new(format!("must be {RULE}")));
    }
    Ok(names)
}
