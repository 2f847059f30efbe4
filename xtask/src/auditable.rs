//! `auditable`: a gateway that contains its dependency list, by cargo-auditable.
//!
//! The step reads the list back from the program. The list must have every crate of the same build's
//! software bill of materials (SBOM).

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::cmd::{capture, run as run_command, Cx, Outcome};
use crate::meta::{list, text};
use crate::sbom::{self, Build, Id};
use crate::tools;

/// Builds the gateway, in release mode unless `--dev` is given.
pub(crate) fn run(cx: &Cx, args: &[String]) -> Outcome {
    let (dev, choices): (Vec<_>, Vec<_>) = args.iter().cloned().partition(|arg| arg == "--dev");
    let bom = sbom::make(cx, &Build::parse(&choices)?)?;
    let reader = tools::AUDIT_INFO.find_or_install(cx)?;
    let mut build = command(cx)?;
    build.args(&choices);
    let named = choices.iter().position(|arg| arg == "--target");
    let platform = named.and_then(|at| choices.get(at + 1));
    let program = match (dev.is_empty(), platform) {
        (true, Some(platform)) => cx.optimized_for(platform, "ron-gateway"),
        (true, None) => cx.optimized("ron-gateway"),
        (false, None) => cx.built("ron-gateway"),
        (false, Some(_)) => {
            return Err("--dev cannot build for another platform: omit --target".into())
        }
    };
    if dev.is_empty() {
        build.arg("--release");
    }
    run_command(&mut build)?;
    let carried = carried(cx, &reader, &program)?;
    let more = more_than(&carried, &bom.shipped)?;
    eprintln!(
        "{}: carries the {} crates of the SBOM, and {more} that only other features of the \
         workspace need",
        program.display(),
        bom.shipped.len()
    );
    Ok(())
}

/// The build of a gateway with its dependency list, unoptimized.
pub(crate) fn command(cx: &Cx) -> Result<Command, String> {
    let builder = tools::AUDITABLE.find_or_install(cx)?;
    let mut build = cx.program(builder, ["auditable", "build", "--locked"]);
    build.args(["-p", "ron-gateway"]);
    Ok(build)
}

/// The dependency list of a program, without build dependencies.
pub(crate) fn carried(cx: &Cx, reader: &Path, program: &Path) -> Result<BTreeSet<Id>, String> {
    parse(&capture(&mut cx.program(reader, [program]))?)
}

fn parse(list_of: &str) -> Result<BTreeSet<Id>, String> {
    let carried: Value = serde_json::from_str(list_of).map_err(|e| e.to_string())?;
    let packages = list(&carried, "packages").iter();
    let shipped = packages.filter(|package| package["kind"] != "build");
    let id = |package: &Value| Ok((text(package, "name")?, text(package, "version")?));
    shipped.map(id).collect()
}

/// Counts listed crates beyond the SBOM; a missing crate is an error.
///
/// cargo-auditable reads `cargo metadata`, which unifies the features of the whole workspace; the SBOM
/// comes from `cargo tree`, which has the features of this build.
fn more_than(carried: &BTreeSet<Id>, shipped: &BTreeSet<Id>) -> Result<usize, String> {
    let missing = shipped.difference(carried);
    let missing: Vec<_> = missing
        .map(|(name, version)| format!("{name} {version}"))
        .collect();
    if missing.is_empty() {
        return Ok(carried.len() - shipped.len());
    }
    Err(format!(
        "the program's list lacks crates of the SBOM: {}",
        missing.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_dependency_is_omitted() {
        let list = r#"{"packages":[{"name":"a","version":"1.0.0","source":"local"},
            {"name":"cc","version":"1.2.0","source":"crates.io","kind":"build"}]}"#;
        let carried = parse(list).unwrap();
        assert_eq!(carried, [("a".to_owned(), "1.0.0".to_owned())].into());
        assert!(parse("nonsense").is_err());
    }

    #[test]
    fn missing_crate_is_named() {
        let of = |names: &[&str]| -> BTreeSet<Id> {
            let names = names.iter();
            names.map(|name| (name.to_string(), "1".into())).collect()
        };
        assert_eq!(more_than(&of(&["a", "b"]), &of(&["a"])), Ok(1));
        let why = more_than(&of(&["a"]), &of(&["a", "b"])).unwrap_err();
        assert!(why.ends_with(": b 1"), "{why}");
    }
}
