//! `alone`: builds each published crate by itself, with few features.
//!
//! A workspace build unifies the features of all crates, so it hides a feature that a crate needs and
//! does not enable. Here each crate is alone, and the missing feature fails the build.

use crate::cmd::{no_args, run as run_command, Cx, Outcome};
use crate::meta::{self, Krate};

/// Crates whose features are adapters that users choose one by one.
const EACH_FEATURE_ALONE: &[&str] = &["transport-http"];

/// Runs clippy on each crate alone; warnings of slim builds are errors.
pub(crate) fn run(cx: &Cx, args: &[String]) -> Outcome {
    no_args(args)?;
    for krate in meta::load(cx)?.iter().filter(|krate| krate.published) {
        for features in feature_sets(krate) {
            let mut command = cx.cargo(["clippy", "--no-deps", "-p", &krate.name]);
            command.args(features).args(["--", "-D", "warnings"]);
            run_command(&mut command)?;
        }
    }
    Ok(())
}

/// Returns the feature sets of a crate.
///
/// No features; the default ones if the crate has any; each adapter alone.
fn feature_sets(krate: &Krate) -> Vec<Vec<String>> {
    let none = "--no-default-features".to_owned();
    let mut sets = vec![vec![none.clone()]];
    let has_default = krate
        .features
        .get("default")
        .is_some_and(|list| !list.is_empty());
    if has_default {
        sets.push(Vec::new());
    }
    if EACH_FEATURE_ALONE.contains(&krate.name.as_str()) {
        let features = krate.features.keys().filter(|name| *name != "default");
        sets.extend(features.map(|name| vec![none.clone(), format!("--features={name}")]));
    }
    sets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_features_are_second_set_if_any() {
        let mut krate = Krate {
            name: "a".into(),
            ..Krate::default()
        };
        assert_eq!(feature_sets(&krate), [["--no-default-features"]]);
        krate.features.insert("default".into(), vec![]);
        assert_eq!(feature_sets(&krate).len(), 1);
        krate.features.insert("default".into(), vec!["x".into()]);
        assert_eq!(feature_sets(&krate).len(), 2);
    }

    #[test]
    fn each_adapter_is_one_set() {
        let mut krate = Krate {
            name: "transport-http".into(),
            ..Krate::default()
        };
        for feature in ["default", "axum", "tonic"] {
            krate.features.insert(feature.into(), vec![]);
        }
        let sets = feature_sets(&krate);
        assert_eq!(sets.len(), 3);
        assert!(sets[1].contains(&"--features=axum".to_owned()));
    }
}
