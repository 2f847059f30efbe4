//! Tests the package in a chroot with this machine's release.

use std::fs;
use std::path::Path;

use crate::cmd::{read, run as run_command, Cx, Outcome};

/// The packages of the chroot beyond the essential ones.
const INCLUDE: &str = "--include=systemd,adduser,procps";

/// Runs `testing/ops/scripts/deb_in_chroot.sh` in namespaces of its own; it needs root.
pub(super) fn check(cx: &Cx, old: &Path, new: &Path) -> Outcome {
    let suite = suite(&read(Path::new("/etc/os-release"))?)?;
    let base = cx.scratch("deb").join(format!("base-{suite}"));
    if !base.join("etc/os-release").exists() {
        // A folder of its own, renamed at the end: an interrupted run leaves no half system.
        let fresh = cx.scratch("deb").join("base-new");
        remove(&fresh)?;
        let mut make = cx.program("debootstrap", ["--variant=minbase", INCLUDE]);
        run_command(make.arg(&suite).arg(&fresh))?;
        fs::rename(&fresh, &base).map_err(|e| format!("renaming {}: {e}", fresh.display()))?;
    }
    let root = cx.scratch("deb").join("root");
    remove(&root)?;
    run_command(cx.program("cp", ["-a"]).args([&base, &root]))?;
    let packages = root.join("packages");
    fs::create_dir(&packages).map_err(|e| format!("creating {}: {e}", packages.display()))?;
    let mut names = Vec::new();
    for package in [old, new] {
        let name = package.file_name().ok_or("a package has no name")?;
        fs::copy(package, packages.join(name)).map_err(|e| format!("copying a package: {e}"))?;
        names.push(Path::new("/packages").join(name));
    }
    let spaces = ["--mount", "--pid", "--net", "--fork", "--kill-child", "sh"];
    let mut script = cx.program("unshare", spaces);
    script.arg(cx.root.join("testing/ops/scripts/deb_in_chroot.sh"));
    let outcome = run_command(script.arg(&root).args(names));
    remove(&root)?;
    outcome
}

fn remove(folder: &Path) -> Outcome {
    if !folder.exists() {
        return Ok(());
    }
    fs::remove_dir_all(folder).map_err(|e| format!("removing {}: {e}", folder.display()))
}

/// The release's name, which debootstrap expects.
fn suite(release: &str) -> Result<String, String> {
    let mut lines = release.lines();
    let name = lines.find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    let name = name.map(|name| name.trim_matches('"').to_owned());
    name.ok_or_else(|| "/etc/os-release has no VERSION_CODENAME".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suite_is_the_code_name() {
        let release = "ID=debian\nVERSION_CODENAME=bookworm\n";
        assert_eq!(suite(release).as_deref(), Ok("bookworm"));
        assert!(suite("ID=arch\n").is_err());
    }
}
