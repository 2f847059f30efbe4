//! Packages compiled for a root package, with their minimum Rust versions.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::meta::{list, text};

/// A package and its minimum Rust version.
#[derive(Debug, PartialEq)]
pub(super) struct Package {
    name: String,
    version: String,
    pub(super) rust_version: Option<String>,
}

/// Walks normal and build dependencies from package `root`.
pub(super) fn packages(metadata: &Value, root: &str) -> Result<Vec<Package>, String> {
    let all = list(metadata, "packages");
    let nodes = list(&metadata["resolve"], "nodes");
    let start = all.iter().find(|package| package["name"] == root);
    let mut open = vec![text(
        start.ok_or_else(|| format!("cargo metadata has no package {root}"))?,
        "id",
    )?];
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    while let Some(id) = open.pop() {
        if !seen.insert(id.clone()) {
            continue;
        }
        let package = all.iter().find(|package| package["id"] == id.as_str());
        let node = nodes.iter().find(|node| node["id"] == id.as_str());
        let (Some(package), Some(node)) = (package, node) else {
            return Err(format!("cargo metadata has no package or node {id}"));
        };
        if package["name"] != root {
            found.push(Package {
                name: text(package, "name")?,
                version: text(package, "version")?,
                rust_version: package["rust_version"].as_str().map(str::to_owned),
            });
        }
        for dep in list(node, "deps") {
            if list(dep, "dep_kinds")
                .iter()
                .any(|kind| kind["kind"] != "dev")
            {
                open.push(text(dep, "pkg")?);
            }
        }
    }
    Ok(found)
}

/// Packages that require a newer Rust than `msrv`, one line each.
pub(super) fn newer_than(packages: &[Package], msrv: &str) -> Result<Vec<String>, String> {
    let limit = parse(msrv)?;
    let mut newer = Vec::new();
    for Package {
        name,
        version,
        rust_version,
    } in packages
    {
        if let Some(asked) = rust_version {
            if parse(asked)? > limit {
                newer.push(format!("{name} {version} asks for {asked}"));
            }
        }
    }
    newer.sort_unstable();
    Ok(newer)
}

/// Parses `1.80` and `1.80.0` to the same value.
fn parse(version: &str) -> Result<[u32; 3], String> {
    let mut numbers = [0; 3];
    for (at, part) in version.split('.').enumerate() {
        let number = part.parse().ok();
        match (numbers.get_mut(at), number) {
            (Some(place), Some(number)) => *place = number,
            _ => return Err(format!("{version:?} is not a Rust version such as 1.80")),
        }
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, asked: Option<&str>) -> Package {
        let rust_version = asked.map(str::to_owned);
        Package {
            name: name.into(),
            version: "1.2.3".into(),
            rust_version,
        }
    }

    #[test]
    fn only_newer_package_is_found() {
        let all = [
            package("a", Some("1.80")),
            package("b", Some("1.80.0")),
            package("c", None),
            package("d", Some("1.81")),
            package("e", Some("1.80.1")),
            package("f", Some("1.9")),
        ];
        let newer = newer_than(&all, "1.80").unwrap();
        assert_eq!(newer, ["d 1.2.3 asks for 1.81", "e 1.2.3 asks for 1.80.1"]);
        assert!(newer_than(&[package("x", Some("new"))], "1.80").is_err());
    }

    #[test]
    fn dev_dependencies_are_not_walked() {
        let text = r#"{
          "packages": [
            {"id":"r","name":"root","version":"0.0.0"}, {"id":"n","name":"normal","version":"1.0.0"},
            {"id":"b","name":"build","version":"1.0.0","rust_version":"1.90"},
            {"id":"d","name":"dev","version":"1.0.0","rust_version":"1.90"}],
          "resolve": {"nodes": [
            {"id":"r","deps":[{"pkg":"n","dep_kinds":[{"kind":null}]}]},
            {"id":"n","deps":[{"pkg":"b","dep_kinds":[{"kind":"build"}]},
                              {"pkg":"d","dep_kinds":[{"kind":"dev"}]}]},
            {"id":"b","deps":[]}, {"id":"d","deps":[]}]}}"#;
        let metadata = crate::meta::parse(text).unwrap();
        let found = packages(&metadata, "root").unwrap();
        assert_eq!(
            found,
            [
                Package {
                    version: "1.0.0".into(),
                    ..package("normal", None)
                },
                Package {
                    version: "1.0.0".into(),
                    ..package("build", Some("1.90"))
                },
            ]
        );
        assert!(packages(&metadata, "other").is_err());
    }
}
