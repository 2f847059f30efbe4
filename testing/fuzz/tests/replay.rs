//! Runs every target over its corpus and its regressions.

// Tests may panic.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ron_fuzz::TARGETS;

/// Most bytes of all inputs in the repository.
const MAX_BYTES: u64 = 512 << 10;

fn folder(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(kind)
}

/// Returns the entries of a folder, none if it does not exist.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn inputs(name: &str) -> Vec<PathBuf> {
    let kinds = ["corpus", "regressions"].into_iter();
    kinds
        .flat_map(|kind| entries(&folder(kind).join(name)))
        .collect()
}

#[test]
fn inputs_of_every_target_pass() {
    for target in TARGETS {
        let inputs = inputs(target.name);
        assert!(inputs.len() > 1, "{} has no corpus", target.name);
        for path in inputs {
            // The output of a failed test names the input.
            println!("{}", path.display());
            (target.run)(&std::fs::read(&path).unwrap());
        }
    }
}

#[test]
fn folders_are_named_after_targets() {
    let known: BTreeSet<_> = TARGETS
        .iter()
        .map(|target| target.name.to_owned())
        .collect();
    for kind in ["corpus", "regressions"] {
        for path in entries(&folder(kind)) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            assert!(known.contains(&name), "{} is of no target", path.display());
        }
    }
}

#[test]
fn inputs_are_small_in_total() {
    let files = TARGETS.iter().flat_map(|target| inputs(target.name));
    let bytes: u64 = files.map(|path| path.metadata().unwrap().len()).sum();
    assert!(
        bytes <= MAX_BYTES,
        "{bytes} bytes: minimize with cargo xtask fuzz NAME --keep"
    );
}
