//! Opens and reads configured files without blocking on pipes.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

/// Opens a file for reading; refuses pipes and sockets.
///
/// `O_NONBLOCK` keeps the call from waiting for the writer of a pipe. The check is made on the
/// open file, so that it cannot be replaced in between.
///
/// # Errors
/// When the file cannot be opened, or is a pipe or socket.
pub fn open_file(path: &Path) -> io::Result<File> {
    let nonblocking = OFlags::NONBLOCK.bits() as i32;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(nonblocking)
        .open(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_fifo() || kind.is_socket() {
        return Err(invalid("it is a pipe, not a file"));
    }
    Ok(file)
}

/// Opens a regular file for reading; refuses everything else.
///
/// # Errors
/// When the file cannot be opened or is not a regular file.
pub fn open_regular_file(path: &Path) -> io::Result<File> {
    let not_regular = || invalid("it is not a regular file");
    // Opening a device may act on it.
    if !std::fs::metadata(path)?.is_file() {
        return Err(not_regular());
    }
    let file = open_file(path)?;
    if !file.metadata()?.is_file() {
        return Err(not_regular());
    }
    Ok(file)
}

/// Reads an open file of at most `max_bytes` bytes.
///
/// # Errors
/// When the file cannot be read or is longer; the text names the limit in MiB.
pub fn read_bounded(file: File, max_bytes: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(max_bytes.saturating_add(1))
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_bytes {
        return Err(too_long(max_bytes));
    }
    Ok(bytes)
}

fn invalid(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

fn too_long(max_bytes: u64) -> io::Error {
    invalid(&format!("it is longer than {} MiB", max_bytes >> 20))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rustix::fs::{mkfifoat, Mode, CWD};

    use super::*;

    #[test]
    fn pipe_is_refused_without_waiting() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        mkfifoat(CWD, &pipe, Mode::RUSR).unwrap();
        let refused = open_file(&pipe).unwrap_err();
        assert_eq!(refused.to_string(), "it is a pipe, not a file");
        for path in [pipe.as_path(), dir.path()] {
            let refused = open_regular_file(path).unwrap_err();
            assert_eq!(refused.to_string(), "it is not a regular file");
        }
        assert!(open_file(Path::new("/dev/null")).is_ok());
    }

    #[test]
    fn file_over_limit_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, vec![0; 1 << 20]).unwrap();
        let read = || read_bounded(open_regular_file(&path).unwrap(), 1 << 20);
        assert_eq!(read().unwrap().len(), 1 << 20);
        fs::write(&path, vec![0; (1 << 20) + 1]).unwrap();
        assert_eq!(read().unwrap_err().to_string(), "it is longer than 1 MiB");
    }
}
