//! The command line program.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use ron_tornet::skip;

use crate::processes;

#[test]
fn up_and_down() {
    if skip("up_and_down") {
        return;
    }
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().canonicalize().unwrap().join("not there yet");
    let config = dir.join("arti.toml");
    assert!(printed(&tornet("down", parent.path())).contains("not up"));

    let up = tornet("up", &dir);
    // Brings the network down if an assertion below fails.
    let down = Down(&dir);
    assert_eq!(printed(&up).lines().next(), config.to_str());
    assert!(printed(&up).contains("--transport.arti.config-path"));
    let text = fs::read_to_string(&config).unwrap();
    assert!(text.contains("fallback_caches"), "{text}");
    let again = tornet("up", &dir);
    assert_eq!(printed(&again), printed(&up));
    assert!(String::from_utf8_lossy(&again.stderr).contains("up already"));
    assert_eq!(fs::read_to_string(&config).unwrap(), text);

    drop(down);
    assert!(!config.exists());
    let left = fs::read_dir(&dir).unwrap();
    let dirs = left.filter(|entry| entry.as_ref().unwrap().path().is_dir());
    assert_eq!(dirs.count(), 0);
    // The last process to end is the one that removed the network's directory.
    processes::wait_until("no process runs", || processes::of(&dir).is_empty());
    assert!(printed(&tornet("down", &dir)).contains("not up"));
}

struct Down<'a>(&'a Path);

impl Drop for Down<'_> {
    fn drop(&mut self) {
        let down = tornet("down", self.0);
        if !std::thread::panicking() {
            assert!(printed(&down).contains("down"));
        }
    }
}

fn tornet(verb: &str, dir: &Path) -> Output {
    let mut tornet = Command::new(env!("CARGO_BIN_EXE_ron-tornet"));
    tornet.arg(verb).arg(dir).output().unwrap()
}

fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}
