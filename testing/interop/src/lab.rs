//! The inputs of every peer: gateway, tools, certificates, payloads.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Size of the binary payload, more than all buffers hold.
const PAYLOAD: usize = (1 << 20) + 17;
/// Lines of the text payload, for peers without binary data.
///
/// It is 1 MiB as well.
const LINES: usize = 50_000;

/// The lab of one run, with tools and payloads.
pub(crate) struct Lab {
    lab: ron_lab::Lab,
    pub(crate) tools: PathBuf,
    pub(crate) payload: Vec<u8>,
    pub(crate) text: String,
}

impl Lab {
    pub(crate) fn new(gateway: &Path, tools: PathBuf) -> Result<Self, String> {
        let lab = Self {
            lab: ron_lab::Lab::new(gateway, None)?,
            tools,
            payload: pattern(PAYLOAD),
            text: (0..LINES)
                .map(|n| format!("line {n} of {LINES}\n"))
                .collect(),
        };
        fs::write(lab.path("payload.bin"), &lab.payload).map_err(|e| e.to_string())?;
        Ok(lab)
    }

    /// Returns Python with the packages of this folder.
    pub(crate) fn python(&self, packages: &str) -> Command {
        let mut command = Command::new("python3");
        command.env("PYTHONPATH", self.tools.join(packages));
        command.env("PYTHONUNBUFFERED", "1");
        // Keeps bytecode files out of the tools.
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }
}

impl Deref for Lab {
    type Target = ron_lab::Lab;

    fn deref(&self) -> &Self::Target {
        &self.lab
    }
}

/// Compares received bytes with sent ones.
pub(crate) fn same(what: &str, sent: &[u8], back: &[u8]) -> Result<String, String> {
    if sent == back {
        return Ok(format!("{} bytes {what}", back.len()));
    }
    let at = sent.iter().zip(back).take_while(|(a, b)| a == b).count();
    Err(format!(
        "{} bytes sent, {} {what}, the first {at} of them equal",
        sent.len(),
        back.len()
    ))
}

/// Returns bytes without a short period.
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
