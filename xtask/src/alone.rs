//! `alone`: each published crate builds by itself, with the features that a slim build has.
//!
//! In a workspace build one crate's features serve all others; here each stands alone, so a
//! feature of a dependency that nobody asked for is found missing.

use crate::cmd::{no_args, run as run_command, Cx, Outcome};
use crate::meta::{self, Krate};

/// Checks each crate alone, with clippy so that what only a slim build shows is an error too.
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

/// No features, and the default ones where they are something else.
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
    fn default_features_are_a_second_set_only_where_there_are_some() {
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
