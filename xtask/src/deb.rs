//! `deb`: the Debian package of the gateway.
//!
//! `--check` installs, upgrades and purges it in a chroot. The files are those of `deploy/`. dpkg-deb writes the package, because it needs no source package
//! and no tool beyond those of Debian's `dpkg-dev`.

mod chroot;
mod tree;

use std::path::{Path, PathBuf};

use crate::apt;
use crate::cmd::{run as run_command, Cx, Outcome};
use crate::{auditable, meta};

/// Writes the package to `target/deb`.
pub(crate) fn run(cx: &Cx, args: &[String]) -> Outcome {
    let (mut check, mut dev) = (false, false);
    for arg in args {
        match arg.as_str() {
            "--check" => check = true,
            "--dev" => dev = true,
            _ => {
                return Err(format!(
                    "unknown argument {arg}: --check or --dev is allowed"
                ))
            }
        }
    }
    apt::for_deb(cx)?;
    let program = build(cx, dev)?;
    let version = format!("{}-1", meta::gateway_version(cx)?);
    let package = tree::package(cx, &program, &version)?;
    lint(cx, &package)?;
    eprintln!("{}", package.display());
    if !check {
        return Ok(());
    }
    let newer = tree::package(cx, &program, &format!("{version}+check"))?;
    chroot::check(cx, &package, &newer)
}

fn build(cx: &Cx, dev: bool) -> Result<PathBuf, String> {
    if dev {
        run_command(&mut cx.cargo(["build", "--locked", "-p", "ron-gateway"]))?;
        return Ok(cx.built("ron-gateway"));
    }
    run_command(auditable::command(cx)?.arg("--release"))?;
    Ok(cx.optimized("ron-gateway"))
}

/// Tags about uploads to Debian, and about the licence's missing year.
const NOT_APPLICABLE: &str = "initial-upload-closes-no-bugs,copyright-without-copyright-notice";

/// Runs lintian; its warnings are errors.
fn lint(cx: &Cx, package: &Path) -> Outcome {
    let mut lintian = cx.program("lintian", ["--fail-on", "error,warning", "--allow-root"]);
    lintian.args(["--suppress-tags", NOT_APPLICABLE]);
    run_command(lintian.arg(package))
}
