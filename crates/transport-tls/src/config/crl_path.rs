//! Lists of CRL files.

use std::path::PathBuf;

use transport_core::schema::{Raw, ValueError};

/// Highest number of files.
const MAX_FILES: usize = 64;

/// Formats paths as a configuration would contain them.
pub(super) fn format(paths: &[PathBuf]) -> String {
    let texts: Vec<_> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    texts.join(",")
}

/// Parses the paths of a list.
pub(super) fn parse(value: &Raw) -> Vec<PathBuf> {
    value.list().into_iter().map(PathBuf::from).collect()
}

/// Returns the paths unless there are too many or one is empty.
pub(super) fn checked(paths: Vec<PathBuf>) -> Result<Vec<PathBuf>, ValueError> {
    if paths.len() > MAX_FILES || paths.iter().any(|path| path.as_os_str().is_empty()) {
        return Err(ValueError::new("must be up to 64 paths, none empty"));
    }
    Ok(paths)
}
