//! What all peers are given: the gateway's program, tools, certificates, and bytes to carry.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use transport_testkit::pki::Pki;

/// Bytes that a binary peer carries: more than any buffer on the way holds.
const PAYLOAD: usize = (1 << 20) + 17;
/// Lines that a peer carries which takes text alone: 1 MiB too.
const LINES: usize = 50_000;

/// The place where peers meet the gateway.
pub(crate) struct Lab {
    pub(crate) gateway: PathBuf,
    pub(crate) tools: PathBuf,
    pub(crate) pki: Pki,
    pub(crate) payload: Vec<u8>,
    pub(crate) text: String,
    dir: tempfile::TempDir,
}

impl Lab {
    pub(crate) fn new(gateway: PathBuf, tools: PathBuf) -> Result<Self, String> {
        let dir = tempfile::tempdir().map_err(|e| format!("no temporary directory: {e}"))?;
        let lab = Self {
            gateway,
            tools,
            pki: Pki::new(dir.path())?,
            payload: pattern(PAYLOAD),
            text: (0..LINES)
                .map(|n| format!("line {n} of {LINES}\n"))
                .collect(),
            dir,
        };
        fs::write(lab.path("payload.bin"), &lab.payload).map_err(|e| e.to_string())?;
        Ok(lab)
    }

    /// A file of the temporary directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file there; its path as text.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<String, String> {
        let path = self.path(name);
        fs::write(&path, text).map_err(|e| format!("cannot write {name}: {e}"))?;
        Ok(path.to_string_lossy().into_owned())
    }

    /// Python with what was installed under `tools` in this folder.
    pub(crate) fn python(&self, packages: &str) -> Command {
        let mut command = Command::new("python3");
        command.env("PYTHONPATH", self.tools.join(packages));
        command.env("PYTHONUNBUFFERED", "1");
        // What it writes stays out of the tools.
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }
}

/// Compares what came back, to the byte.
pub(crate) fn same(what: &str, sent: &[u8], back: &[u8]) -> Result<String, String> {
    if sent == back {
        return Ok(format!("{} bytes {what}", back.len()));
    }
    let at = sent.iter().zip(back).take_while(|(a, b)| a == b).count();
    Err(format!(
        "{} bytes sent, {} {what}, the first {at} of them the same",
        sent.len(),
        back.len()
    ))
}

/// Bytes without a short period.
fn pattern(len: usize) -> Vec<u8> {
    let mut state: u64 = 0x2545_f491_4f6c_dd1d;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let blocks = std::iter::from_fn(|| Some(next())).take(len / 8 + 1);
    let mut bytes: Vec<u8> = blocks.flatten().collect();
    bytes.truncate(len);
    bytes
}
