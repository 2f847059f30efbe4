//! `sbom`: the gateway's software bill of materials (SBOM), in CycloneDX.
//!
//! `cargo tree` lists the packages of a build and their dependencies, `cargo metadata` the licences and
//! sources, `Cargo.lock` the checksums. The same commit gives the same bytes: the document has no time
//! and no random serial number.

mod document;
mod lock;
mod tree;

use std::collections::BTreeSet;

use crate::cmd::{capture, read, write, Cx, Outcome};
use crate::meta;

/// A package by name and version.
pub(crate) type Id = (String, String);

const PACKAGE: &str = "ron-gateway";
/// The platform of a build, unless `--target` names another.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";
/// Cargo's feature flags, and whether each takes a value.
const CHOICES: &[(&str, bool)] = &[
    ("--features", true),
    ("--all-features", false),
    ("--no-default-features", false),
];

/// The build that the document describes.
pub(crate) struct Build {
    platform: String,
    /// Flags of cargo.
    features: Vec<String>,
}

impl Build {
    pub(crate) fn parse(args: &[String]) -> Result<Self, String> {
        let mut build = Self {
            platform: PLATFORM.into(),
            features: Vec::new(),
        };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().cloned().ok_or(format!("{arg} needs a value"));
            match CHOICES.iter().find(|(flag, _)| flag == arg) {
                Some((_, true)) => build.features.extend([arg.clone(), value()?]),
                Some((_, false)) => build.features.push(arg.clone()),
                None if arg == "--target" => build.platform = value()?,
                None => {
                    return Err(format!(
                        "unknown argument {arg}: use --target or a feature flag of cargo"
                    ))
                }
            }
        }
        Ok(build)
    }
}

/// Writes the document to `target/sbom`.
pub(crate) fn run(cx: &Cx, args: &[String]) -> Outcome {
    let bom = make(cx, &Build::parse(args)?)?;
    let path = cx.scratch("sbom").join(format!("{PACKAGE}.cdx.json"));
    write(&path, &bom.text)?;
    eprintln!(
        "{}: {} components, {} of them in the program",
        path.display(),
        bom.all.len() - 1,
        bom.shipped.len() - 1
    );
    Ok(())
}

/// A document and the packages in it, the gateway among them.
pub(crate) struct Bom {
    pub(crate) text: String,
    pub(crate) all: BTreeSet<Id>,
    /// Packages whose code is in the program, without build dependencies.
    pub(crate) shipped: BTreeSet<Id>,
}

/// Describes a build.
pub(crate) fn make(cx: &Cx, build: &Build) -> Result<Bom, String> {
    let all = tree(cx, build, "normal,build")?;
    let shipped = tree(cx, build, "normal,no-proc-macro")?.packages();
    let platform = ["--filter-platform", &build.platform];
    let command = ["metadata", "--locked", "--format-version", "1"];
    let mut command = cx.cargo(command);
    let metadata = capture(command.arg("--all-features").args(platform))?;
    let metadata = meta::parse(&metadata)?;
    let checksums = lock::checksums(&read(&cx.root.join("Cargo.lock"))?);
    let text = document::text(&all, &shipped, &metadata, &checksums)?;
    Ok(Bom {
        text,
        all: all.packages(),
        shipped,
    })
}

fn tree(cx: &Cx, build: &Build, edges: &str) -> Result<tree::Tree, String> {
    let mut command = cx.cargo(["tree", "--locked", "-p", PACKAGE, "--target"]);
    command.args([&build.platform, "--edges", edges]);
    command.args(["--prefix", "depth", "--format", tree::FORMAT]);
    tree::parse(&capture(command.args(&build.features))?)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn strings(args: &[&str]) -> Vec<String> {
        args.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn cargo_flags_are_passed_on() {
        let args = ["--target", "aarch64-unknown-linux-gnu", "--features", "pow"];
        let build = Build::parse(&strings(&args)).unwrap();
        assert_eq!(build.platform, "aarch64-unknown-linux-gnu");
        assert_eq!(build.features, ["--features", "pow"]);
        assert_eq!(Build::parse(&[]).unwrap().platform, PLATFORM);
        for wrong in [&["--release"][..], &["--features"], &["x"]] {
            assert!(Build::parse(&strings(wrong)).is_err(), "{wrong:?}");
        }
    }

    /// Splits a line of `cargo tree --format {p}`: name, version, and whether it is local.
    fn named(line: &str) -> (&str, &str, bool) {
        let (name, rest) = line.split_once(" v").unwrap();
        let version = rest.split(' ').next().unwrap();
        (name, version, line.contains("(/"))
    }

    #[test]
    fn document_has_every_package_of_cargo_tree() {
        let cx = Cx::new().unwrap();
        let build = Build::parse(&[]).unwrap();
        let made = make(&cx, &build).unwrap();
        assert_eq!(made.text, make(&cx, &build).unwrap().text);
        let bom: Value = serde_json::from_str(&made.text).unwrap();
        let components = bom["components"].as_array().unwrap();
        let args = ["--locked", "-p", PACKAGE, "--target", PLATFORM];
        let form = ["-e", "normal,build", "--prefix", "none", "--format", "{p}"];
        let tree = capture(cx.cargo(["tree"]).args(args).args(form)).unwrap();
        let mut seen = BTreeSet::new();
        for line in tree.lines().filter(|line| !line.starts_with(PACKAGE)) {
            let (name, version, is_ours) = named(line);
            let mut found = components
                .iter()
                .filter(|of| of["name"] == name && of["version"] == version);
            let found = found.next().unwrap_or_else(|| panic!("no {line}"));
            let purl = found["purl"].as_str().unwrap();
            assert!(purl.starts_with(&format!("pkg:cargo/{name}@")), "{purl}");
            let licence = found["licenses"][0]["expression"].as_str().unwrap();
            assert!(!licence.is_empty() && !licence.contains('/'), "{licence}");
            let checksum = found["hashes"][0]["content"].as_str().unwrap_or_default();
            assert_eq!(checksum.len(), if is_ours { 0 } else { 64 }, "{line}");
            seen.insert(purl.to_owned());
        }
        assert_eq!(seen.len(), components.len());
        assert_eq!(seen.len() + 1, made.all.len());
        assert!(made.shipped.is_subset(&made.all) && made.shipped.len() < made.all.len());
    }
}
