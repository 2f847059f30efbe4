//! The keys of a node, made before its first start.
//!
//! The configuration of the other nodes contains them.

use std::fs::{self, DirBuilder};
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::node::{Authority, Identity, Node};
use super::{torrc, TorNetError};

/// Makes a node's keys in its directory.
pub(super) fn make(
    node: Node,
    dir: &Path,
    or_port: u16,
    dir_port: u16,
) -> Result<Identity, TorNetError> {
    let failed = |e: std::io::Error| TorNetError::io(format!("the keys of {node}"), e);
    if dir.exists() {
        // Files of an earlier attempt.
        fs::remove_dir_all(dir).map_err(failed)?;
    }
    let mut private = DirBuilder::new();
    private.recursive(true).mode(0o700);
    private.create(dir.join("keys")).map_err(failed)?;
    let path = dir.join("torrc");
    fs::write(&path, torrc::keys(node, or_port, dir)).map_err(failed)?;
    let mut list = tor(&path);
    finish(list.arg("--list-fingerprint").stdin(Stdio::null()))?;
    let authority = if node.is_authority() {
        Some(make_authority(dir, dir_port)?)
    } else {
        None
    };
    Ok(Identity {
        node,
        or_port,
        rsa: last_word(&dir.join("fingerprint"))?,
        ed25519: last_word(&dir.join("fingerprint-ed25519"))?,
        authority,
    })
}

/// Returns `tor` with this configuration and without the system's.
pub(super) fn tor(torrc: &Path) -> Command {
    let mut tor = Command::new("tor");
    tor.arg("-f").arg(torrc);
    tor.args(["--defaults-torrc", "/dev/null"]);
    tor
}

fn make_authority(dir: &Path, dir_port: u16) -> Result<Authority, TorNetError> {
    let keys = dir.join("keys");
    let mut gencert = Command::new("tor-gencert");
    gencert.args(["--create-identity-key", "--passphrase-fd", "0", "-m", "12"]);
    for (flag, file) in [
        ("-i", "authority_identity_key"),
        ("-s", "authority_signing_key"),
        ("-c", "authority_certificate"),
    ] {
        gencert.arg(flag).arg(keys.join(file));
    }
    gencert.args(["-a", &format!("127.0.0.1:{dir_port}")]);
    finish(gencert.stdin(Stdio::piped()))?;
    let path = keys.join("authority_certificate");
    let certificate = read(&path)?;
    let v3ident = certificate
        .lines()
        .find_map(|line| line.strip_prefix("fingerprint "))
        .ok_or_else(|| TorNetError::io(path.display(), "no fingerprint in the file"))?;
    Ok(Authority {
        dir_port,
        v3ident: v3ident.to_owned(),
    })
}

/// Runs a program to its end, with an empty passphrase as input.
fn finish(command: &mut Command) -> Result<(), TorNetError> {
    let name = command.get_program().to_string_lossy().into_owned();
    let failed = |e| TorNetError::io(format!("`{name}` (Debian's package `tor`)"), e);
    let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().map_err(failed)?;
    if let Some(mut passphrase) = child.stdin.take() {
        // The status of a program that ended early describes the error.
        let _ = passphrase.write_all(b"\n");
    }
    let output = child.wait_with_output().map_err(failed)?;
    if output.status.success() {
        return Ok(());
    }
    let (printed, errors) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    let what = format!("`{name}` failed ({})", output.status);
    Err(TorNetError::io(what, format!("\n{printed}{errors}")))
}

fn read(path: &Path) -> Result<String, TorNetError> {
    fs::read_to_string(path).map_err(|e| TorNetError::io(path.display(), e))
}

/// Reads a file such as `NICKNAME FINGERPRINT`.
fn last_word(path: &Path) -> Result<String, TorNetError> {
    let text = read(path)?;
    let word = text.split_whitespace().next_back();
    let word = word.ok_or_else(|| TorNetError::io(path.display(), "the file is empty"))?;
    Ok(word.to_owned())
}
