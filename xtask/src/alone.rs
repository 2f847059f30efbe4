//! `alone`: builds each published crate by itself, with few features.
//!
//! A workspace build unifies the features of all crates, so it hides a feature that a crate needs and
//! does not enable. Here each crate is alone, and the missing feature fails the build.

use crate::cmd::{no_args, run as run_command, Cx, Outcome};
use crate::meta::{self, Krate};

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

/// No features, and the default ones if the crate has any.
fn feature_sets(krate: &Krate) -> Vec<Option<&'static str>> {
    let has_default = krate
        .features
        .get("default")
        .is_some_and(|list| !list.is_empty());
    let mut sets = vec![Some("--no-default-features")];
    if has_default {
        sets.push(None);
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
        assert_eq!(feature_sets(&krate), [Some("--no-default-features")]);
        krate.features.insert("default".into(), vec![]);
        assert_eq!(feature_sets(&krate).len(), 1);
        krate.features.insert("default".into(), vec!["x".into()]);
        assert_eq!(feature_sets(&krate).len(), 2);
    }
}
