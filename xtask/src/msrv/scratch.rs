//! The files of the scratch workspace in `target/msrv`.
//!
//! Its package uses each published library with every feature but Arti's. Cargo omits a dependency without
//! a library, so a crate of binaries gets a stand-in: an empty library with the same dependencies.

use std::fmt::Write as _;
use std::path::Path;

use crate::graph::{pulls_in, ARTI};
use crate::meta::{Dep, Krate};

/// The root package of the walk.
pub(super) const NAME: &str = "msrv-evidence";

/// Every file with its path in the scratch folder.
///
/// The folder is two levels below `root`.
pub(super) fn files(crates: &[Krate], root: &Path, msrv: &str) -> Vec<(String, String)> {
    let mut main = package(NAME, msrv);
    main += "[workspace]\nresolver = \"3\"\n\n[dependencies]\n";
    let mut files = vec![("src/lib.rs".into(), String::new())];
    for krate in crates
        .iter()
        .filter(|krate| krate.published && krate.name != ARTI)
    {
        let Krate { name, dir, .. } = krate;
        if krate.library {
            let path = below(dir, root, "../..");
            let features = features(crates, krate);
            let _ = writeln!(
                main,
                "{name} = {{ path = \"{path}\", features = {features:?} }}"
            );
        } else {
            let _ = writeln!(main, "{name}-stand-in = {{ path = \"{name}\" }}");
            files.push((format!("{name}/src/lib.rs"), String::new()));
            files.push((format!("{name}/Cargo.toml"), stand_in(krate, root, msrv)));
        }
    }
    files.push(("Cargo.toml".into(), main));
    files
}

fn package(name: &str, msrv: &str) -> String {
    format!(
        "# Written by `cargo xtask msrv`.\n[package]\nname = \"{name}\"\nversion = \"0.0.0\"\n\
         edition = \"2021\"\nrust-version = \"{msrv}\"\npublish = false\n\n"
    )
}

/// Every feature of the crate that does not enable Arti.
fn features<'a>(crates: &[Krate], krate: &'a Krate) -> Vec<&'a String> {
    let tame = |feature: &&String| !pulls_in(crates, &krate.name, &[feature], ARTI);
    krate.features.keys().filter(tame).collect()
}

/// The manifest of a stand-in, with optional dependencies too.
fn stand_in(krate: &Krate, root: &Path, msrv: &str) -> String {
    let mut text = package(&format!("{}-stand-in", krate.name), msrv);
    for dep in krate
        .deps
        .iter()
        .filter(|dep| !dep.dev && dep.package != ARTI)
    {
        let Dep {
            key,
            package,
            req,
            features,
            default_features,
            ..
        } = dep;
        let table = dep
            .target
            .as_ref()
            .map(|target| format!("target.'{target}'."));
        let _ = writeln!(text, "[{}dependencies.{key}]", table.unwrap_or_default());
        let _ = match &dep.path {
            Some(path) => writeln!(text, "path = \"{}\"", below(path, root, "../../..")),
            None => writeln!(text, "version = \"{req}\""),
        };
        let _ = writeln!(text, "package = \"{package}\"\nfeatures = {features:?}");
        let _ = writeln!(text, "default-features = {default_features}\n");
    }
    text
}

/// The path of a crate from a folder `up` below the root.
fn below(dir: &Path, root: &Path, up: &str) -> String {
    format!("{up}/{}", dir.strip_prefix(root).unwrap_or(dir).display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn krate(name: &str, published: bool) -> Krate {
        let dir = Path::new("/r/crates").join(name);
        Krate {
            name: name.into(),
            dir,
            published,
            library: true,
            ..Krate::default()
        }
    }

    fn dep(package: &str) -> Dep {
        Dep {
            key: package.into(),
            package: package.into(),
            req: "^1".into(),
            ..Dep::default()
        }
    }

    fn text(crates: &[Krate], path: &str) -> String {
        let files = files(crates, Path::new("/r"), "1.80");
        files.into_iter().find(|file| file.0 == path).unwrap().1
    }

    #[test]
    fn libraries_have_all_features_but_arti() {
        let mut facade = krate("ron-transport", true);
        facade.deps.push(Dep {
            optional: true,
            ..dep(ARTI)
        });
        facade
            .features
            .insert("arti".into(), vec![format!("dep:{ARTI}")]);
        facade
            .features
            .insert("full".into(), vec!["arti".into(), "prometheus".into()]);
        facade.features.insert("prometheus".into(), vec![]);
        let crates = [facade, krate(ARTI, true), krate("transport-testkit", false)];
        let main = text(&crates, "Cargo.toml");
        let line = "ron-transport = { path = \"../../crates/ron-transport\", \
                    features = [\"prometheus\"] }";
        assert!(
            main.contains(line) && main.contains("rust-version = \"1.80\""),
            "{main}"
        );
        assert!(
            !main.contains("transport-arti") && !main.contains("testkit"),
            "{main}"
        );
    }

    #[test]
    fn crate_of_binaries_has_stand_in() {
        let mut gateway = Krate {
            library: false,
            ..krate("ron-gateway", true)
        };
        let path = Some("/r/crates/ron-transport".into());
        gateway.deps.push(Dep {
            path,
            ..dep("ron-transport")
        });
        gateway.deps.push(Dep {
            features: vec!["http1".into()],
            ..dep("hyper")
        });
        gateway.deps.push(Dep {
            target: Some("cfg(unix)".into()),
            ..dep("rustix")
        });
        gateway.deps.push(Dep {
            dev: true,
            ..dep("tempfile")
        });
        let crates = [gateway];
        let main = text(&crates, "Cargo.toml");
        assert!(
            main.contains("ron-gateway-stand-in = { path = \"ron-gateway\" }"),
            "{main}"
        );
        let stand_in = text(&crates, "ron-gateway/Cargo.toml");
        for part in [
            "[dependencies.ron-transport]\npath = \"../../../crates/ron-transport\"\n",
            "[dependencies.hyper]\nversion = \"^1\"\npackage = \"hyper\"\nfeatures = [\"http1\"]\n",
            "[target.'cfg(unix)'.dependencies.rustix]\n",
            "default-features = false\n",
        ] {
            assert!(stand_in.contains(part), "{part:?} in\n{stand_in}");
        }
        assert!(!stand_in.contains("tempfile"), "{stand_in}");
    }
}
