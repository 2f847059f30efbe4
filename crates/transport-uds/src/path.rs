//! What a path must look like to be one of a Unix socket.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use transport_core::schema::ValueError;

/// Longest path in bytes: `sun_path` has 108, and the last one is the NUL (unix(7)).
const MAX_BYTES: usize = 107;

/// Checks the text of a path; nothing is looked up.
pub(crate) fn check(path: &Path) -> Result<(), ValueError> {
    let bytes = path.as_os_str().as_bytes();
    if matches!(bytes.first(), Some(0 | b'@')) {
        return Err(ValueError::new(
            "abstract sockets are not offered, since no file mode guards them: \
             give an absolute path",
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
            "must be at most {MAX_BYTES} bytes long, and is {}",
            bytes.len()
        )));
    }
    // `file_name` passes over a `/` or `/.` at the end, which the kernel does not.
    match path.file_name() {
        Some(name) if bytes.ends_with(name.as_bytes()) => Ok(()),
        _ => Err(ValueError::new("must name a socket, not a directory")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(path: &str) -> String {
        check(Path::new(path)).unwrap_err().to_string()
    }

    #[test]
    fn absolute_paths_up_to_107_bytes_are_taken() {
        for path in ["/s", "/run/ron/gateway.sock", "/run/../run/x/a@b"] {
            check(Path::new(path)).unwrap();
        }
        let longest = format!("/{}", "x".repeat(106));
        check(Path::new(&longest)).unwrap();
        assert!(told(&format!("{longest}x")).contains("at most 107 bytes"));
    }

    #[test]
    fn what_is_no_path_of_a_socket_is_told() {
        for path in ["@ron", "\0ron"] {
            assert!(told(path).contains("abstract sockets are not offered"));
        }
        for path in ["", "ron.sock", "./ron.sock"] {
            assert!(told(path).contains("absolute"), "{path}");
        }
        for path in ["/", "/run/", "/run/ron/.", "/run/.."] {
            assert!(told(path).contains("not a directory"), "{path}");
        }
        assert!(told("/run/a\0b").contains("NUL"));
    }
}
