//! Checks of Unix socket paths.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use transport_core::schema::ValueError;

/// Longest path in bytes: `sun_path` has 108, including the final NUL (unix(7)).
const MAX_BYTES: usize = 107;

/// Checks the text of a path, without access to the file system.
///
/// # Errors
/// Names the violated rule.
pub(crate) fn check(path: &Path) -> Result<(), ValueError> {
    let bytes = path.as_os_str().as_bytes();
    if matches!(bytes.first(), Some(0 | b'@')) {
        return Err(ValueError::new(
            "abstract sockets are not supported, because no file mode protects \
             them: use an absolute path",
        ));
    }
    if !path.is_absolute() {
        return Err(ValueError::new("must be an absolute path"));
    }
    if bytes.contains(&0) {
        return Err(ValueError::new("must not contain a NUL byte"));
    }
    if bytes.len() > MAX_BYTES {
        return Err(ValueError::new(format!(
            "must be at most {MAX_BYTES} bytes long, not {}",
            bytes.len()
        )));
    }
    // `file_name` ignores a final `/` or `/.`, unlike the kernel.
    match path.file_name() {
        Some(name) if bytes.ends_with(name.as_bytes()) => Ok(()),
        _ => Err(ValueError::new("must name a socket, not a directory")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(path: &str) -> String {
        check(Path::new(path)).unwrap_err().to_string()
    }

    #[test]
    fn absolute_path_up_to_107_bytes() {
        for path in ["/s", "/run/ron/gateway.sock", "/run/../run/x/a@b"] {
            check(Path::new(path)).unwrap();
        }
        let longest = format!("/{}", "x".repeat(106));
        check(Path::new(&longest)).unwrap();
        assert!(error(&format!("{longest}x")).contains("at most 107 bytes"));
    }

    #[test]
    fn invalid_socket_paths() {
        for path in ["@ron", "\0ron"] {
            assert!(error(path).contains("abstract sockets are not supported"));
        }
        for path in ["", "ron.sock", "./ron.sock"] {
            assert!(error(path).contains("absolute"), "{path}");
        }
        for path in ["/", "/run/", "/run/ron/.", "/run/.."] {
            assert!(error(path).contains("not a directory"), "{path}");
        }
        assert!(error("/run/a\0b").contains("NUL"));
    }
}
