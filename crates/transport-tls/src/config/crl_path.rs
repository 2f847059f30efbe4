//! Lists of CRL files.

use std::path::PathBuf;

use transport_core::schema::ValueError;

/// Most files of a list.
const MAX_FILES: usize = 64;

/// Paths as they are written.
pub(super) fn of(list: Vec<String>) -> Vec<PathBuf> {
    list.into_iter().map(PathBuf::from).collect()
}

/// Paths as they would be written.
pub(super) fn text(paths: &[PathBuf]) -> String {
    let texts: Vec<_> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    texts.join(",")
}

pub(super) fn checked(paths: Vec<PathBuf>) -> Result<Vec<PathBuf>, ValueError> {
    if paths.len() > MAX_FILES || paths.iter().any(|path| path.as_os_str().is_empty()) {
        return Err(ValueError::new("must be up to 64 paths, none empty"));
    }
    Ok(paths)
}
