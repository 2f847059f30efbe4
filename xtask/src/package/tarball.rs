//! Files and manifest fields that every published package has.

use std::path::Path;

use crate::cmd::read;

/// Files at the root of each package.
const FILES: &[&str] = &["README.md", "LICENSE-MIT", "LICENSE-APACHE"];

/// Lines that the manifest has, by their beginning, and the reason.
const FIELDS: &[(&str, &str)] = &[
    ("description = ", "crates.io requires it"),
    ("license = ", "crates.io requires it"),
    ("repository = ", "crates.io links to the sources"),
    ("readme = ", "crates.io shows it"),
    ("keywords = ", "crates.io finds the crate by them"),
    ("categories = ", "crates.io lists the crate in them"),
    (
        "rust-version = ",
        "cargo chooses a version that the compiler can build",
    ),
    ("all-features = true", "docs.rs documents every feature"),
];

/// Lines that the manifest must not have, and the reason.
const FORBIDDEN: &[(&str, &str)] = &[
    ("resolver = \"3\"", "cargo before 1.84 rejects the package"),
    (
        "edition = \"2024\"",
        "cargo before 1.85 rejects the package",
    ),
];

/// Findings in one unpacked package.
pub(super) fn problems(dir: &Path) -> Result<Vec<String>, String> {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    let absent = FILES.iter().filter(|file| !dir.join(file).is_file());
    let mut found: Vec<String> = absent.map(|file| format!("no {file}")).collect();
    found.extend(in_manifest(&read(&dir.join("Cargo.toml"))?));
    Ok(found.iter().map(|what| format!("{name}: {what}")).collect())
}

/// Findings in the manifest as cargo writes it: one field a line.
fn in_manifest(text: &str) -> Vec<String> {
    let has = |start: &str| text.lines().any(|line| line.trim().starts_with(start));
    let absent = FIELDS.iter().filter(|(start, _)| !has(start));
    let absent =
        absent.map(|(start, why)| format!("no `{}`: {why}", start.trim_end_matches(" = ")));
    let forbidden = FORBIDDEN.iter().filter(|(line, _)| has(line));
    let forbidden = forbidden.map(|(line, why)| format!("`{line}`: {why}"));
    absent.chain(forbidden).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPLETE: &str = "[package]\nedition = \"2021\"\nrust-version = \"1.80\"\n\
        description = \"x\"\nreadme = \"README.md\"\nkeywords = [\n    \"a\",\n]\n\
        categories = [\"b\"]\nlicense = \"MIT\"\nrepository = \"https://x\"\nresolver = \"2\"\n\
        [package.metadata.docs.rs]\nall-features = true\n";

    #[test]
    fn missing_field_is_found() {
        assert_eq!(in_manifest(COMPLETE), [""; 0]);
        let found = in_manifest(&COMPLETE.replace("keywords", "words"));
        assert_eq!(found, ["no `keywords`: crates.io finds the crate by them"]);
    }

    #[test]
    fn newer_resolver_is_found() {
        let found = in_manifest(&COMPLETE.replace("resolver = \"2\"", "resolver = \"3\""));
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("1.84"), "{found:?}");
    }
}
