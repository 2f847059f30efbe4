//! The table of steps: name, line of help, and function.

use std::fmt::Write as _;

use crate::cmd::{Cx, Outcome};
use crate::{
    advisories, alerts, alone, api, auditable, balancers, bench, clippy, coverage, deb, deny, doc,
    docs_gen, doctest, drills, edge, fmt, fuzz, graph, image, instructions, kubernetes, loom, msrv,
    mutants, package, page, peers, readme, sbom, semver, sim, soak, test, tidy, tornet,
};

/// One subcommand of `cargo xtask`.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) run: fn(&Cx, &[String]) -> Outcome,
}

const fn step(name: &'static str, help: &'static str, run: fn(&Cx, &[String]) -> Outcome) -> Step {
    Step { name, help, run }
}

/// Every step, in the order of `help`.
pub(crate) const STEPS: &[Step] = &[
    step("fmt", "cargo fmt --check over the workspace", fmt::run),
    step(
        "tidy",
        "house rules: lints, file length, stubs, syntax; `tidy english|words|types|circles [PATH…]` runs one",
        tidy::run,
    ),
    step(
        "graph",
        "allowed dependencies between crates, and those of a slim transport-tcp",
        graph::run,
    ),
    step(
        "msrv",
        "evidence that no dependency requires a newer Rust version than the crates",
        msrv::run,
    ),
    step(
        "deny",
        "cargo-deny: bans, licences, sources (installs cargo-deny when missing)",
        deny::run,
    ),
    step(
        "clippy",
        "clippy with -D warnings: default features, then all features",
        clippy::run,
    ),
    step(
        "alone",
        "each crate alone, without default features, with -D warnings",
        alone::run,
    ),
    step(
        "readme",
        "each program in README.md compiles as printed",
        readme::run,
    ),
    step(
        "docs-gen",
        "regenerate tables, manual pages and completions from the code; --check only compares",
        docs_gen::run,
    ),
    step(
        "alerts",
        "docs/ops/alerts.yml under promtool (unpacked when missing); `--live` under a real Prometheus",
        alerts::run,
    ),
    step(
        "test",
        "all tests except `test-tor`, all features: nextest (installed when missing), else cargo test",
        test::run,
    ),
    step(
        "peers",
        "TLS, PROXY and proxies with other programs: `peers tls|proxy [--quick] [--json] [PEER…]` prints a table",
        peers::run,
    ),
    step(
        "page",
        "the gateway's status page in headless Chromium (installed when missing); pictures in target/page",
        page::run,
    ),
    step(
        "drills",
        "the quick drills, as in `ci`: they check reasons, counts and bytes, not times",
        drills::quick,
    ),
    step(
        "doctest",
        "the examples in the documentation, all features",
        doctest::run,
    ),
    step(
        "doc",
        "the documentation of the workspace with -D warnings",
        doc::run,
    ),
    step(
        "package",
        "every published crate built from its own tarball, with licences, README and metadata",
        package::run,
    ),
    step(
        "api",
        "the public API against docs/api: `api [--write]` (installs cargo-public-api when missing)",
        api::run,
    ),
    step(
        "loom",
        "the concurrency models of transport-limits under loom",
        loom::run,
    ),
    step(
        "instructions",
        "instructions of handshake, accept and relay against ratchets: `instructions [--write]` (installs valgrind)",
        instructions::run,
    ),
    step(
        "sim",
        "random peers, networks and operators under paused time: `sim [--seeds 500] [--seed S]`",
        sim::run,
    ),
    step(
        "fuzz",
        "fuzz targets under libFuzzer: `fuzz NAME…|all [--minutes N|--seconds N] [--keep]`; a table",
        fuzz::run,
    ),
    step(
        "test-tor",
        "the tests on a private Tor network, 14 minutes; `--quick`: 6 minutes (installs tor when missing)",
        test::on_tor,
    ),
    step(
        "advisories",
        "known vulnerabilities, also of programs: `advisories [--check] [PROGRAM…]` (RON_ADVISORY_DB: a database)",
        advisories::run,
    ),
    step(
        "semver",
        "cargo-semver-checks against the last release: `semver [--baseline REV]` (installed when missing)",
        semver::run,
    ),
    step(
        "sbom",
        "the gateway's SBOM, as CycloneDX JSON in target/sbom: `sbom [--target T] [--features F]`",
        sbom::run,
    ),
    step(
        "auditable",
        "a release build of the gateway with its dependency list, checked against `sbom` (installs its tools)",
        auditable::run,
    ),
    step(
        "deb",
        "the Debian package in target/deb: `deb [--check] [--dev]`; --check installs and purges it in a chroot",
        deb::run,
    ),
    step(
        "image",
        "the container image in target/image: `image [--check]`; --check runs it (installs buildah and crun)",
        image::run,
    ),
    step(
        "kubernetes",
        "deploy/kubernetes rendered by kubectl and validated against schemas (from npm and PyPI)",
        kubernetes::run,
    ),
    step(
        "balancers",
        "HAProxy, nginx and Envoy with the examples of deploy/, before three replicas (installed when missing)",
        balancers::run,
    ),
    step(
        "mutants",
        "changes that a test must notice: `mutants [CRATE…] [--sample N|--again] [-- ARGS of cargo-mutants]`; hours",
        mutants::run,
    ),
    step(
        "coverage",
        "executed lines per crate: `coverage [CRATE…|all] [--no-arti] [--branches]` (installs cargo-llvm-cov and LLVM)",
        coverage::run,
    ),
    step(
        "drill",
        "the operator's drills: `drill [NAME…|--all|--list] [--json] [--watch 10m]`; --all writes docs/reports/DRILLS.md",
        drills::run,
    ),
    step(
        "soak",
        "load with churn, reloads and rotations: `soak [--minutes 10] [--pace 1] [--page docs/reports]` fails on growth; a picture in target/soak",
        soak::run,
    ),
    step(
        "edge",
        "the `edge` preset within 64 MiB, and aarch64 under qemu-user: `edge [--seconds 30]`",
        edge::run,
    ),
    step(
        "bench",
        "benches: `bench overhead`, `handshake`, `matrix`, `scale`, `tor` or `micro`, each with [ARGS]",
        bench::run,
    ),
    step(
        "tornet",
        "a private Tor network on loopback: `tornet up`, `tornet down` (installs tor when missing)",
        tornet::run,
    ),
];

/// The step called `name`.
pub(crate) fn find(name: &str) -> Option<&'static Step> {
    STEPS.iter().find(|step| step.name == name)
}

/// The text of `cargo xtask help`: `first`, then every step.
pub(crate) fn help(first: &Step) -> String {
    let mut text = String::from("usage: cargo xtask STEP [ARGS]\n\n");
    for step in [first].into_iter().chain(STEPS) {
        let _ = writeln!(text, "  {:<13}{}", step.name, step.help);
    }
    let _ = writeln!(text, "  {:<13}this list", "help");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_have_unique_name_and_one_help_line() {
        for (at, step) in STEPS.iter().enumerate() {
            assert!(!step.help.is_empty() && !step.help.contains('\n'));
            assert!(STEPS[..at].iter().all(|other| other.name != step.name));
            assert!(help(&STEPS[0]).contains(step.help));
        }
    }

    #[test]
    fn unknown_step_is_not_found() {
        assert!(find("frobnicate").is_none());
        assert!(find("tidy").is_some());
    }
}
