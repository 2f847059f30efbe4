//! The crates of the workspace that a feature enables, across crates.

use std::collections::BTreeSet;

use crate::meta::{Dep, Krate};

/// Returns whether `root` with `features` compiles the workspace crate `wanted`.
///
/// A weak entry (`dep?/feature`) counts as a strong one for the feature, so the result can be a false
/// positive, never a false negative.
pub(crate) fn pulls_in(crates: &[Krate], root: &str, features: &[&str], wanted: &str) -> bool {
    // (crate, feature); an empty feature stands for the crate.
    let mut open: Vec<(String, String)> = vec![(root.into(), String::new())];
    open.extend(
        features
            .iter()
            .map(|&feature| (root.into(), feature.into())),
    );
    let mut seen = BTreeSet::new();
    while let Some((name, feature)) = open.pop() {
        if name == wanted && feature.is_empty() {
            return true;
        }
        let Some(krate) = crates.iter().find(|krate| krate.name == name) else {
            continue;
        };
        if !seen.insert((name, feature.clone())) {
            continue;
        }
        if feature.is_empty() {
            for dep in krate.deps.iter().filter(|dep| !dep.dev && !dep.optional) {
                activate(dep, &mut open);
            }
        }
        for entry in krate.features.get(&feature).into_iter().flatten() {
            switch_on(krate, entry, &mut open);
        }
    }
    false
}

/// Follows one entry of a feature: `dep:key`, `key/feature`, `key?/feature`, or a feature.
fn switch_on(krate: &Krate, entry: &str, open: &mut Vec<(String, String)>) {
    if let Some(key) = entry.strip_prefix("dep:") {
        for dep in named(krate, key) {
            activate(dep, open);
        }
    } else if let Some((key, feature)) = entry.split_once('/') {
        for dep in named(krate, key.trim_end_matches('?')) {
            if !key.ends_with('?') {
                activate(dep, open);
            }
            open.push((dep.package.clone(), feature.into()));
        }
    } else {
        open.push((krate.name.clone(), entry.into()));
    }
}

fn named<'a>(krate: &'a Krate, key: &'a str) -> impl Iterator<Item = &'a Dep> {
    krate
        .deps
        .iter()
        .filter(move |dep| !dep.dev && dep.key == key)
}

fn activate(dep: &Dep, open: &mut Vec<(String, String)>) {
    open.push((dep.package.clone(), String::new()));
    if dep.default_features {
        open.push((dep.package.clone(), "default".into()));
    }
    open.extend(
        dep.features
            .iter()
            .map(|feature| (dep.package.clone(), feature.clone())),
    );
}
