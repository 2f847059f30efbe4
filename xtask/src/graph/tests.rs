//! Breaks each rule of the graph once.

use super::slim::forbidden;
use super::*;
use std::path::Path;

const LAB: &str = "ron-lab";
const BENCH: &str = "ron-bench-tor";

fn dep(package: &str) -> Dep {
    Dep {
        key: package.into(),
        package: package.into(),
        req: "*".into(),
        default_features: true,
        ..Dep::default()
    }
}

fn krate(name: &str, deps: &[&str]) -> Krate {
    let deps = deps.iter().map(|name| dep(name)).collect();
    let (group, published) = match name {
        LAB => (TESTING, false),
        BENCH => (BENCHES, false),
        XTASK => ("", false),
        _ => ("crates", true),
    };
    Krate {
        name: name.into(),
        dir: Path::new("/r").join(group).join(name),
        published,
        deps,
        ..Krate::default()
    }
}

/// The workspace as the architecture draws it, with an optional Arti.
fn house() -> Vec<Krate> {
    let mut facade = krate(
        "ron-transport",
        &[CORE, LIMITS, METRICS, "transport-tcp", "config"],
    );
    facade.deps.push(Dep {
        optional: true,
        ..dep(ARTI)
    });
    facade
        .features
        .insert("arti".into(), vec![format!("dep:{ARTI}")]);
    facade
        .features
        .insert("default".into(), vec!["metrics".into()]);
    vec![
        krate(CORE, &["tokio"]),
        krate(LIMITS, &[CORE]),
        krate(METRICS, &[CORE, "metrics"]),
        krate("transport-tcp", &[CORE, LIMITS]),
        krate(ARTI, &[CORE, LIMITS]),
        facade,
        krate("ron-gateway", &["ron-transport"]),
        krate(TESTKIT, &[CORE, LIMITS]),
        krate(LAB, &[TESTKIT, "ron-transport"]),
        krate(BENCH, &[LAB, CORE]),
        krate(XTASK, &["serde_json"]),
    ]
}

fn changed(name: &str, change: impl FnOnce(&mut Krate)) -> Vec<String> {
    let mut crates = house();
    change(crates.iter_mut().find(|krate| krate.name == name).unwrap());
    violations(&crates)
}

fn breaks(name: &str, to: &str, why: &str) {
    let wrong = changed(name, |krate| krate.deps.push(dep(to)));
    assert!(
        wrong.len() == 1 && wrong[0].contains(why),
        "{name} -> {to}: {wrong:?}"
    );
}

#[test]
fn drawn_workspace_passes() {
    assert_eq!(violations(&house()), [""; 0]);
}

#[test]
fn undrawn_arrow_is_found() {
    breaks(CORE, LIMITS, "no such arrow");
    breaks(LIMITS, METRICS, "no such arrow");
    breaks(METRICS, LIMITS, "no such arrow");
    breaks("transport-tcp", METRICS, "no such arrow");
    breaks("ron-gateway", LIMITS, "no such arrow");
}

#[test]
fn facade_used_by_gateway_and_test_programs_only() {
    breaks(TESTKIT, "ron-transport", "no such arrow");
    breaks("transport-tcp", "ron-transport", "no such arrow");
    breaks(XTASK, "ron-transport", "xtask depends on no crate");
}

#[test]
fn backend_using_backend_is_found() {
    let mut crates = house();
    crates.push(krate("transport-tls", &[CORE, LIMITS, "transport-tcp"]));
    assert!(violations(&crates)[0].contains("transport-tls -> transport-tcp"));
}

#[test]
fn test_crates_are_unversioned_dev_dependencies() {
    for test_crate in [TESTKIT, LAB] {
        breaks("transport-tcp", test_crate, "dev-dependencies only");
        let dev = Dep {
            dev: true,
            ..dep(test_crate)
        };
        let versioned = Dep {
            req: "^0.1.0".into(),
            ..dev.clone()
        };
        let added = |dev| changed("transport-tcp", |krate| krate.deps.push(dev));
        assert_eq!(added(dev), [""; 0]);
        assert!(added(versioned)[0].contains("no version"));
    }
}

#[test]
fn test_programs_and_benches_stay_unpublished() {
    for internal in [LAB, BENCH, XTASK] {
        let wrong = changed(internal, |krate| krate.published = true);
        assert!(wrong[0].contains("publish = false"), "{wrong:?}");
    }
    breaks("ron-gateway", BENCH, "depends on a bench");
    breaks(LAB, BENCH, "depends on a bench");
}

#[test]
fn xtask_has_no_arrow_in_either_direction() {
    breaks("ron-gateway", XTASK, "nothing depends on xtask");
    breaks(TESTKIT, XTASK, "nothing depends on xtask");
    let dev = Dep {
        dev: true,
        ..dep(TESTKIT)
    };
    assert!(changed(XTASK, |krate| krate.deps.push(dev))[0].contains("no crate of the workspace"));
}

#[test]
fn undrawn_crate_is_found() {
    let mut crates = house();
    crates.push(krate("transport-quic", &[]));
    assert!(violations(&crates)[0].contains("not in the architecture"));
}

#[test]
fn arti_in_default_features_is_found() {
    let found = |wrong: Vec<String>, names: &[&str]| {
        let text = wrong.join("\n");
        assert!(
            names
                .iter()
                .all(|name| text.contains(&format!("{name} brings in"))),
            "{text}"
        );
    };
    let all = ["ron-transport", "ron-gateway", LAB];
    let default = |entry: &str| {
        let entry = entry.to_owned();
        move |krate: &mut Krate| drop(krate.features.insert("default".into(), vec![entry]))
    };
    found(changed("ron-transport", default("arti")), &all);
    found(
        changed("ron-transport", default("dep:transport-arti")),
        &all,
    );
    found(
        changed("ron-transport", default("transport-arti/tls")),
        &all,
    );
    found(
        changed("ron-gateway", default("ron-transport/arti")),
        &["ron-gateway"],
    );
    let asked = |krate: &mut Krate| krate.deps[0].features.push("arti".into());
    found(changed("ron-gateway", asked), &["ron-gateway"]);
    let always = |krate: &mut Krate| krate.deps.push(dep(ARTI));
    found(changed("ron-transport", always), &all);
    assert_eq!(
        changed("ron-transport", default("transport-arti?/tls")),
        [""; 0]
    );
}

#[test]
fn feature_enabling_arti_is_known() {
    let crates = house();
    assert!(pulls_in(&crates, "ron-transport", &["arti"], ARTI));
    assert!(!pulls_in(&crates, "ron-transport", &["metrics"], ARTI));
}

#[test]
fn forbidden_package_is_found() {
    let clean = "transport-tcp v0.1.0 (/x)\ntokio v1.40.0\nrustix v1.0.0\nmetrics v0.24.0\n";
    assert_eq!(forbidden(clean), [""; 0]);
    for bad in [
        "rustls",
        "rustls-pki-types",
        "tokio-rustls",
        "arti-client",
        "tor-proto",
        "config",
    ] {
        let tree = format!("{clean}{bad} v1.0.0 (*)\n{bad} v1.0.0\n");
        assert_eq!(forbidden(&tree).len(), 1, "{bad}");
    }
}
