//! The unit files, and the warnings of `check` about them.

use std::fs;
use std::path::Path;

use crate::common::{command, run};

const DEPLOY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/systemd");

fn unit(name: &str) -> String {
    fs::read_to_string(Path::new(DEPLOY).join(name)).unwrap()
}

/// Returns the service with its credential lines enabled.
fn service_with_credentials() -> String {
    let service = unit("ron-gateway.service");
    let lines = ["#LoadCredential=", "#Environment="];
    assert!(lines.iter().all(|line| service.contains(line)));
    lines.iter().fold(service, |text, line| {
        text.replace(line, line.trim_start_matches('#'))
    })
}

#[test]
fn units_pass_systemd_analyze() {
    for service in [unit("ron-gateway.service"), service_with_credentials()] {
        verify(&service);
    }
}

fn verify(service: &str) {
    if command("systemd-analyze")
        .arg("--version")
        .output()
        .is_err()
    {
        eprintln!("SKIPPED: no systemd-analyze; the units are not verified");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let copy = |name: &str, text: &str| {
        let path = dir.path().join(name);
        // The program need not be installed to verify its unit.
        let text = text.replace("/usr/local/bin/ron-gateway", "/bin/true");
        fs::write(&path, text).unwrap();
        path
    };
    let service = copy("ron-gateway.service", service);
    let socket = copy("ron-gateway.socket", &unit("ron-gateway.socket"));
    let mut verify = command("systemd-analyze");
    let output = verify.arg("verify").args([service, socket]).output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[test]
fn stop_beyond_unit_timeout_is_warned_of() {
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
        let warned = format!("{name} is {passes}, which exceeds TimeoutStopSec=75");
        assert!(errors.contains(&warned), "{errors}");
    }
}

/// `@system-service` of systemd 252 lacks these calls.
///
/// A forbidden call kills the process.
#[test]
fn unit_allows_sandbox_calls() {
    let service = unit("ron-gateway.service");
    let allowed = "\nSystemCallFilter=landlock_create_ruleset landlock_add_rule \
                   landlock_restrict_self seccomp\n";
    assert!(service.contains(allowed), "{service}");
}

#[cfg(feature = "tls")]
mod credentials {
    use std::fs::{File, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use rustix::fs::{fsetxattr, XattrFlags};
    use rustix::process::geteuid;

    use super::*;
    use crate::common::{Pki, Start};

    /// Makes files readable for one user, as systemd does.
    ///
    /// The mode is 0400 with an ACL entry, which shows as 0440. Returns `false` on a file system
    /// without ACLs.
    fn give_to(user: u32, dir: &Path) -> bool {
        const NONE: u32 = u32::MAX;
        let entries: [(u16, u16, u32); 5] = [
            (0x01, 4, NONE),
            (0x02, 4, user),
            (0x04, 0, NONE),
            (0x10, 4, NONE),
            (0x20, 0, NONE),
        ];
        let mut list = 2_u32.to_le_bytes().to_vec();
        for (tag, may, id) in entries {
            list.extend([tag.to_le_bytes(), may.to_le_bytes()].concat());
            list.extend(id.to_le_bytes());
        }
        ["cert.pem", "key.pem"].iter().all(|name| {
            let path = dir.join(name);
            fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
            let file = File::open(&path).unwrap();
            let given = fsetxattr(&file, "system.posix_acl_access", &list, XattrFlags::empty());
            given.is_ok()
        })
    }

    /// Returns the variables of the unit for a credential directory.
    fn variables(dir: &Path) -> Vec<(String, String)> {
        let service = service_with_credentials();
        let lines = service.lines();
        let set = lines.filter_map(|line| line.strip_prefix("Environment=")?.split_once('='));
        let dir = dir.to_str().unwrap();
        let of_dir = |(name, value): (&str, &str)| (name.to_owned(), value.replace("%d", dir));
        set.map(of_dir).collect()
    }

    #[test]
    fn credentials_of_the_unit_serve_tls() {
        let pki = Pki::new();
        pki.server("credential");
        let dir = pki.dir();
        let us = geteuid().as_raw();
        let has_lists = give_to(us, dir);
        let variables = variables(dir);
        assert_eq!(variables.len(), 2);
        let mut start = Start::default().env("RON_TRANSPORT_BACKEND", "tls");
        for (name, value) in &variables {
            start = start.env(name, value);
        }
        let gateway = start.spawn();
        assert_eq!(gateway.get("/readyz").status, 200);
        gateway.stop();
        if !has_lists {
            eprintln!("SKIPPED: the file system has no access control lists");
            return;
        }
        assert!(give_to(us + 1, dir));
        let mut env = vec![("RON_TRANSPORT_BACKEND", "tls")];
        env.extend(variables.iter().map(|(name, value)| (&**name, &**value)));
        let (code, _, errors) = run(&["--admin", ""], &env);
        assert_eq!(code, 2, "{errors}");
        assert!(errors.contains("insecure permissions"), "{errors}");
        assert!(!errors.contains("key.pem"), "{errors}");
    }
}

/// The example of the package, and the ConfigMap of the manifests.
#[cfg(feature = "tls")]
#[test]
fn example_configurations_pass_check() {
    let deploy = Path::new(DEPLOY).join("..");
    for (file, warnings) in [
        ("gateway.toml", &[][..]),
        (
            "kubernetes/base/gateway.toml",
            &["admin_addr is 0.0.0.0:9909: every host that reaches it"],
        ),
    ] {
        let path = deploy.join(file);
        let (code, _, errors) = run(&["check", "--config", path.to_str().unwrap()], &[]);
        assert_eq!(code, 0, "{file}: {errors}");
        let found: Vec<_> = errors.lines().collect();
        assert_eq!(found.len(), warnings.len(), "{file}: {errors}");
        let expected = found.iter().zip(warnings).all(|(a, b)| a.contains(b));
        assert!(expected, "{file}: {errors}");
    }
}

/// The settings of the example without their comment signs.
#[cfg(feature = "tls")]
#[test]
fn commented_settings_of_the_example_are_valid() {
    let text = fs::read_to_string(Path::new(DEPLOY).join("../gateway.toml")).unwrap();
    let lines = text.lines().map(|line| match line.strip_prefix('#') {
        Some(setting) if !setting.starts_with(' ') => setting,
        _ => line,
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    assert!(text.contains("\nmode = \"forward\"\n"), "{text}");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("gateway.toml");
    fs::write(&file, text).unwrap();
    let (code, _, errors) = run(&["check", "--config", file.to_str().unwrap()], &[]);
    assert_eq!((code, errors.as_str()), (0, ""));
}
