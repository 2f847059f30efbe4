//! Edits Arti's stored choice of guards (`guards.json`).

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde_json::Value;

/// Guard sets that Arti selects; the user configures the third, `bridges`.
const SETS: [&str; 2] = ["default", "restricted"];

/// Removes a guard from Arti's state; returns whether it was stored.
///
/// No client may run meanwhile. The next client prefers the other guards. A file of another format
/// stays as it is.
///
/// # Errors
/// Fails if the file cannot be read, parsed or replaced.
pub(super) fn forget(state_dir: &Path, ed25519: &str) -> io::Result<bool> {
    let path = state_dir.join("state").join("guards.json");
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        read => read?,
    };
    let mut stored: Value = serde_json::from_str(&text)?;
    if !remove(&mut stored, ed25519) {
        return Ok(false);
    }
    let draft = path.with_extension("json.new");
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&draft)?;
    file.write_all(serde_json::to_string_pretty(&stored)?.as_bytes())?;
    file.sync_all()?;
    fs::rename(draft, path)?;
    Ok(true)
}

fn remove(stored: &mut Value, ed25519: &str) -> bool {
    let mut removed = false;
    for set in SETS {
        for (list, id) in [("guards", "/id/ed25519"), ("confirmed", "/ed25519")] {
            let list = stored.get_mut(set).and_then(|set| set.get_mut(list));
            let Some(list) = list.and_then(Value::as_array_mut) else {
                continue;
            };
            let before = list.len();
            list.retain(|entry| entry.pointer(id).and_then(Value::as_str) != Some(ed25519));
            removed |= list.len() < before;
        }
    }
    removed
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORED: &str = r#"{
        "default": {
            "guards": [{"id": {"ed25519": "AAA"}, "disabled": null}, {"id": {"ed25519": "BBB"}}],
            "confirmed": [{"ed25519": "AAA", "rsa": "00"}]
        },
        "restricted": {"guards": [], "confirmed": []},
        "bridges": {"guards": [{"id": {"ed25519": "AAA"}}], "confirmed": []}
    }"#;

    #[test]
    fn one_guard_forgotten_others_kept() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!forget(dir.path(), "AAA").unwrap());
        fs::create_dir(dir.path().join("state")).unwrap();
        let path = dir.path().join("state/guards.json");
        fs::write(&path, STORED).unwrap();
        assert!(!forget(dir.path(), "CCC").unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), STORED);
        assert!(forget(dir.path(), "AAA").unwrap());
        let now: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(now["default"]["guards"].as_array().unwrap().len(), 1);
        assert_eq!(now["default"]["guards"][0]["id"]["ed25519"], "BBB");
        assert_eq!(now["default"]["confirmed"], Value::Array(Vec::new()));
        assert_eq!(now["bridges"]["guards"][0]["id"]["ed25519"], "AAA");
        assert_eq!(fs::read_dir(dir.path().join("state")).unwrap().count(), 1);
    }

    #[test]
    fn unknown_format_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("state")).unwrap();
        let path = dir.path().join("state/guards.json");
        for text in ["[]", "{\"default\": 7}", "{\"default\": {\"guards\": [1]}}"] {
            fs::write(&path, text).unwrap();
            assert!(!forget(dir.path(), "AAA").unwrap());
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        fs::write(&path, "{").unwrap();
        forget(dir.path(), "AAA").unwrap_err();
    }
}
