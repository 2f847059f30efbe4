//! The CycloneDX 1.6 (ECMA-424) document, in JSON.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{json, Value};

use super::tree::Tree;
use super::Id;
use crate::meta::{list, text as field};

/// Renders the packages of a tree.
pub(super) fn text(
    tree: &Tree,
    shipped: &BTreeSet<Id>,
    metadata: &Value,
    checksums: &BTreeMap<Id, String>,
) -> Result<String, String> {
    let mut known = BTreeMap::new();
    for package in list(metadata, "packages") {
        known.insert(
            (field(package, "name")?, field(package, "version")?),
            package,
        );
    }
    let mut main = Value::Null;
    let mut components = Vec::new();
    for id in tree.needs.keys() {
        let package = known.get(id);
        let package = package.ok_or_else(|| format!("cargo metadata has no {} {}", id.0, id.1))?;
        let mut component = component(id, package, checksums.get(id))?;
        if *id == tree.root {
            component["type"] = "application".into();
            main = component;
        } else {
            let scope = ["excluded", "required"][usize::from(shipped.contains(id))];
            component["scope"] = scope.into();
            components.push(component);
        }
    }
    let needs = tree.needs.iter().map(|(id, needs)| {
        let needs: Vec<String> = needs.iter().map(purl).collect();
        json!({ "ref": purl(id), "dependsOn": needs })
    });
    let bom = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": main,
            "tools": { "components": [{ "type": "application", "name": "cargo xtask sbom" }] },
        },
        "components": components,
        "dependencies": needs.collect::<Vec<_>>(),
    });
    let text = serde_json::to_string_pretty(&bom).map_err(|e| e.to_string())?;
    Ok(text + "\n")
}

fn component(id: &Id, package: &Value, checksum: Option<&String>) -> Result<Value, String> {
    // Before SPDX expressions, `/` meant a choice.
    let licence =
        field(package, "license").map_err(|_| format!("package {} has no licence", id.0))?;
    let choices: Vec<&str> = licence.split('/').map(str::trim).collect();
    let mut component = json!({
        "type": "library",
        "bom-ref": purl(id),
        "name": id.0,
        "version": id.1,
        "purl": purl(id),
        "licenses": [{ "expression": choices.join(" OR ") }],
    });
    match checksum {
        Some(sha256) => {
            component["hashes"] = json!([{ "alg": "SHA-256", "content": sha256 }]);
        }
        None if package["source"].is_null() => {}
        None => return Err(format!("{} {} has no checksum in Cargo.lock", id.0, id.1)),
    }
    if let Some(url) = package["repository"].as_str() {
        component["externalReferences"] = json!([{ "type": "vcs", "url": url }]);
    }
    Ok(component)
}

/// The package URL; it escapes the `+` of build metadata.
fn purl((name, version): &Id) -> String {
    format!("pkg:cargo/{name}@{}", version.replace('+', "%2B"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sbom::tree::parse;

    const TREE: &str = "0|ours v0.1.0 (/x)\n1|b v1.0.0+x\n2|c v2.0.0\n";

    fn metadata() -> Value {
        json!({ "packages": [
            { "name": "ours", "version": "0.1.0", "license": "MIT", "source": null },
            { "name": "b", "version": "1.0.0+x", "license": "MIT/Apache-2.0", "source": "r",
              "repository": "https://example.org/b" },
            { "name": "c", "version": "2.0.0", "license": "ISC", "source": "r" },
        ] })
    }

    fn id(name: &str, version: &str) -> Id {
        (name.into(), version.into())
    }

    #[test]
    fn component_has_licence_purl_and_checksum() {
        let tree = parse(TREE).unwrap();
        let sums = [id("b", "1.0.0+x"), id("c", "2.0.0")].map(|id| (id, "00ff".to_owned()));
        let shipped = [id("b", "1.0.0+x")].into();
        let text = text(&tree, &shipped, &metadata(), &sums.into()).unwrap();
        let bom: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(bom["metadata"]["component"]["type"], "application");
        let [b, c] = &bom["components"].as_array().unwrap()[..] else {
            panic!("{text}")
        };
        assert_eq!(b["licenses"][0]["expression"], "MIT OR Apache-2.0");
        assert_eq!(b["purl"], "pkg:cargo/b@1.0.0%2Bx");
        assert_eq!(b["hashes"][0]["content"], "00ff");
        assert_eq!(b["externalReferences"][0]["url"], "https://example.org/b");
        assert_eq!(
            (&b["scope"], &c["scope"]),
            (&json!("required"), &json!("excluded"))
        );
        let needs = json!({ "ref": "pkg:cargo/b@1.0.0%2Bx", "dependsOn": ["pkg:cargo/c@2.0.0"] });
        assert!(bom["dependencies"].as_array().unwrap().contains(&needs));
    }

    #[test]
    fn missing_fact_is_error() {
        let tree = parse(TREE).unwrap();
        let none = BTreeMap::new();
        let missing = text(&tree, &BTreeSet::new(), &metadata(), &none).unwrap_err();
        assert!(missing.contains("no checksum"), "{missing}");
        let empty = json!({ "packages": [] });
        let missing = text(&tree, &BTreeSet::new(), &empty, &none).unwrap_err();
        assert!(missing.contains("cargo metadata has no"), "{missing}");
    }
}
