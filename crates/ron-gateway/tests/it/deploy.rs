//! The unit files, and what `check` says of them.

use std::fs;
use std::path::Path;

use crate::common::{command, run};

const DEPLOY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/deploy");

fn unit(name: &str) -> String {
    fs::read_to_string(Path::new(DEPLOY).join(name)).unwrap()
}

#[test]
fn systemd_has_nothing_against_the_units() {
    if command("systemd-analyze")
        .arg("--version")
        .output()
        .is_err()
    {
        eprintln!("SKIPPED: systemd-analyze is not there; the units are not verified");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let copy = |name: &str| {
        let path = dir.path().join(name);
        // The program need not be installed for its unit to be checked.
        let text = unit(name).replace("/usr/local/bin/ron-gateway", "/bin/true");
        fs::write(&path, text).unwrap();
        path
    };
    let (service, socket) = (copy("ron-gateway.service"), copy("ron-gateway.socket"));
    let mut verify = command("systemd-analyze");
    let output = verify.arg("verify").args([service, socket]).output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[test]
fn a_stop_that_may_take_longer_than_the_unit_allows_is_warned_of() {
    let service = unit("ron-gateway.service");
    assert!(service.contains("\nTimeoutStopSec=75\n"));
    assert!(service.contains("\nRestartPreventExitStatus=2\n"));
    for (key, fits, passes) in [
        ("idle-timeout", "75s", "76s"),
        ("drain-timeout", "74s", "75s"),
    ] {
        let check = |value| run(&["check", &format!("--transport.{key}"), value], &[]);
        let (code, _, errors) = check(fits);
        assert_eq!((code, errors.as_str()), (0, ""));
        let (code, _, errors) = check(passes);
        let name = key.replace('-', "_");
        assert_eq!(code, 0, "{errors}");
        let warned = format!("{name} is {passes}, too much for TimeoutStopSec=75");
        assert!(errors.contains(&warned), "{errors}");
    }
}

/// `@system-service` of systemd 252 lacks them, and a call that is not allowed ends the process.
#[test]
fn unit_allows_the_calls_of_the_sandbox() {
    let service = unit("ron-gateway.service");
    let allowed = "\nSystemCallFilter=landlock_create_ruleset landlock_add_rule \
                   landlock_restrict_self seccomp\n";
    assert!(service.contains(allowed), "{service}");
}
