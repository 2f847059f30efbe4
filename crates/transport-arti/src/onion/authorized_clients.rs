//! The public keys of authorized clients: tor's `NAME.auth` files.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use tor_hscrypto::pk::HsClientDescEncKey;
use tor_hsservice::config::restricted_discovery::{
    HsClientNickname, MAX_RESTRICTED_DISCOVERY_CLIENTS,
};
use transport_core::escape::escape;
use transport_core::{open_regular_file, TransportError};

use crate::error;

const KEY: &str = "arti.onion_service.client_keys_path";
/// Longest file that is read; a key is `descriptor:x25519:` and 52 characters.
const MAX_BYTES: u64 = 256;

/// Reads all keys of the directory, each under its file's name.
///
/// # Errors
/// [`TransportError::Config`], without the directory's path, if a key cannot be read or the
/// directory holds none: no client could find the service.
pub(super) fn read(
    dir: &Path,
) -> Result<Vec<(HsClientNickname, HsClientDescEncKey)>, TransportError> {
    let failed = |cause: io::Error| error::config_by(format!("{KEY}: {cause}"), cause);
    let mut keys = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let Some(name) = name.to_str() else { continue };
        let Some(client) = name.strip_suffix(".auth") else {
            continue;
        };
        let shown = escape(name).quoted();
        let wrong = |why: &str| error::config(format!("{KEY}: {shown}: {why}"));
        let nickname = client
            .parse::<HsClientNickname>()
            .map_err(|_| wrong("the name before .auth may contain only a to z, 0 to 9, - and _"))?;
        let key = key(&dir.join(name)).map_err(|cause| wrong(&cause.to_string()))?;
        keys.push((nickname, key));
    }
    match keys.len() {
        0 => Err(error::config(format!(
            "{KEY}: the directory holds no NAME.auth file; no client could find the service"
        ))),
        1..=MAX_RESTRICTED_DISCOVERY_CLIENTS => Ok(keys),
        many => Err(error::config(format!(
            "{KEY}: {many} clients; a descriptor holds at most {MAX_RESTRICTED_DISCOVERY_CLIENTS}"
        ))),
    }
}

fn key(path: &Path) -> io::Result<HsClientDescEncKey> {
    let mut text = String::new();
    open_regular_file(path)?
        .take(MAX_BYTES)
        .read_to_string(&mut text)?;
    let form = || io::Error::other("not of the form descriptor:x25519:BASE32");
    text.trim().parse().map_err(|_| form())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: &str = "descriptor:x25519:ZPRRMIV6DV6SJFL7SFBSVLJ5VUNPGCDFEVZ7M23LTLVTCCXJQBKA";

    fn dir(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(dir.path().join(name), text).unwrap();
        }
        dir
    }

    #[test]
    fn keys_read_and_other_files_ignored() {
        let dir = dir(&[("alice.auth", CLIENT), ("bob.auth", CLIENT), ("notes", "x")]);
        let mut names: Vec<_> = read(dir.path()).unwrap().into_iter().map(|k| k.0).collect();
        names.sort();
        assert_eq!(names, ["alice".parse().unwrap(), "bob".parse().unwrap()]);
    }

    #[test]
    fn unusable_client_keys_refused() {
        for files in [
            &[][..],
            &[("alice.auth", "")],
            &[("alice.auth", "descriptor:x25519:short")],
            &[("-bad name-.auth", CLIENT)],
        ] {
            let dir = dir(files);
            let error = read(dir.path()).unwrap_err().to_string();
            assert!(error.starts_with(KEY), "{error}");
            let shown = dir.path().file_name().unwrap().to_str().unwrap();
            assert!(!error.contains(shown), "{error}");
        }
        assert!(read(Path::new("/nowhere/at/all")).is_err());
    }
}
