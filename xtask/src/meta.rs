//! The crates of the workspace, read from `cargo metadata`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use crate::cmd::{capture, Cx};

/// One crate of the workspace.
#[derive(Clone, Debug, Default)]
pub(crate) struct Krate {
    pub(crate) name: String,
    /// The folder that holds its `Cargo.toml`.
    pub(crate) dir: PathBuf,
    /// False if the manifest has `publish = false`.
    pub(crate) published: bool,
    /// False for a crate with binaries only.
    pub(crate) library: bool,
    pub(crate) rust_version: Option<String>,
    /// Each feature with its entries, in the manifest's notation.
    pub(crate) features: BTreeMap<String, Vec<String>>,
    /// Every dependency, inside and outside of the workspace.
    pub(crate) deps: Vec<Dep>,
}

/// One line of a crate's dependency tables.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dep {
    /// The name in features: the package's name, or its new name.
    pub(crate) key: String,
    pub(crate) package: String,
    /// The required version.
    pub(crate) req: String,
    /// The folder, for a crate of the workspace.
    pub(crate) path: Option<PathBuf>,
    /// The platform, if the dependency is not for all.
    pub(crate) target: Option<String>,
    /// True for `[dev-dependencies]`.
    pub(crate) dev: bool,
    pub(crate) optional: bool,
    pub(crate) default_features: bool,
    pub(crate) features: Vec<String>,
}

/// The crates of the workspace, in cargo's order.
pub(crate) fn load(cx: &Cx) -> Result<Vec<Krate>, String> {
    let args = ["metadata", "--format-version", "1", "--no-deps"];
    crates(&parse(&capture(&mut cx.cargo(args))?)?)
}

/// The version of the gateway.
pub(crate) fn gateway_version(cx: &Cx) -> Result<String, String> {
    let id = capture(&mut cx.cargo(["pkgid", "--offline", "-p", "ron-gateway"]))?;
    let version = id.trim().rsplit(['#', '@']).next();
    Ok(version.unwrap_or_default().to_owned())
}

/// The date of the last commit, in a format of `git log`.
pub(crate) fn commit_date(cx: &Cx, format: &str) -> Result<String, String> {
    let format = format!("--format={format}");
    let date = capture(&mut cx.program("git", ["log", "-1", &format]))?;
    Ok(date.trim().to_owned())
}

/// Parses the output of `cargo metadata`.
pub(crate) fn parse(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|e| format!("cargo metadata is not JSON: {e}"))
}

/// The text of a field; an error if it is no string.
pub(crate) fn text(value: &Value, field: &str) -> Result<String, String> {
    let found = value[field].as_str().map(str::to_owned);
    found.ok_or_else(|| format!("cargo metadata has no string `{field}`"))
}

/// The elements of a list; none if it is missing or null.
pub(crate) fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value[field].as_array().map_or(&[], Vec::as_slice)
}

fn crates(metadata: &Value) -> Result<Vec<Krate>, String> {
    list(metadata, "packages").iter().map(krate).collect()
}

fn krate(package: &Value) -> Result<Krate, String> {
    let manifest = PathBuf::from(text(package, "manifest_path")?);
    let features = package["features"].as_object().into_iter().flatten();
    Ok(Krate {
        name: text(package, "name")?,
        dir: manifest.parent().map(PathBuf::from).unwrap_or_default(),
        // null: anywhere; a list: only these registries; the empty list: none.
        published: package["publish"]
            .as_array()
            .map_or(true, |list| !list.is_empty()),
        rust_version: package["rust_version"].as_str().map(str::to_owned),
        library: list(package, "targets").iter().any(|target| {
            let kinds = strings(target, "kind");
            kinds
                .iter()
                .any(|kind| kind.ends_with("lib") || kind == "proc-macro")
        }),
        features: features
            .map(|(name, _)| (name.clone(), strings(&package["features"], name)))
            .collect(),
        deps: list(package, "dependencies")
            .iter()
            .map(dep)
            .collect::<Result<_, _>>()?,
    })
}

fn dep(value: &Value) -> Result<Dep, String> {
    let package = text(value, "name")?;
    Ok(Dep {
        key: value["rename"].as_str().unwrap_or(&package).to_owned(),
        package,
        req: value["req"].as_str().unwrap_or("*").to_owned(),
        path: value["path"].as_str().map(PathBuf::from),
        target: value["target"].as_str().map(str::to_owned),
        dev: value["kind"].as_str() == Some("dev"),
        optional: value["optional"].as_bool().unwrap_or(false),
        default_features: value["uses_default_features"].as_bool().unwrap_or(true),
        features: strings(value, "features"),
    })
}

fn strings(value: &Value, field: &str) -> Vec<String> {
    list(value, field)
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_has_features_and_dependencies() {
        let value = parse(
            r#"{"packages":[{"name":"a","manifest_path":"/x/a/Cargo.toml","publish":[],
            "targets":[{"kind":["bin"]}],
            "features":{"default":["net"],"net":["dep:b"]},
            "dependencies":[{"name":"b","rename":"c","kind":"dev","optional":true,"req":"^1.2",
            "path":"/x/b","target":"cfg(unix)",
            "uses_default_features":false,"features":["f"]},{"name":"d","kind":null}]}]}"#,
        );
        let all = crates(&value.unwrap()).unwrap();
        assert!(!all[0].published && !all[0].library);
        assert_eq!(all[0].dir, PathBuf::from("/x/a"));
        assert_eq!(all[0].features["net"], ["dep:b"]);
        let [b, d] = &all[0].deps[..] else {
            panic!("two dependencies")
        };
        assert!(b.dev && b.optional && !b.default_features && b.key == "c" && b.package == "b");
        assert_eq!((b.req.as_str(), d.req.as_str()), ("^1.2", "*"));
        assert!(b.path.is_some() && b.target.as_deref() == Some("cfg(unix)"));
        assert!(!d.dev && !d.optional && d.default_features && d.key == "d");
    }

    #[test]
    fn other_json_is_error() {
        assert!(parse("nonsense").is_err());
        assert!(crates(&parse(r#"{"packages":[{}]}"#).unwrap()).is_err());
    }
}
