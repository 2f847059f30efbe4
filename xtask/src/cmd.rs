//! Runs other programs, without standard input, after printing the command.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The result of a step; the error is one sentence.
pub(crate) type Outcome = Result<(), String>;

/// The workspace's root and the cargo that runs xtask.
pub(crate) struct Cx {
    pub(crate) root: PathBuf,
    cargo: OsString,
}

impl Cx {
    /// Finds the workspace above the running manifest or the current folder.
    pub(crate) fn new() -> Result<Self, String> {
        let start = match std::env::var_os("CARGO_MANIFEST_DIR") {
            Some(dir) => PathBuf::from(dir),
            None => std::env::current_dir().map_err(|e| format!("no current folder: {e}"))?,
        };
        let root = start
            .ancestors()
            .find(|dir| dir.join("deny.toml").is_file() && dir.join("xtask").is_dir())
            .ok_or_else(|| {
                format!(
                    "no workspace at or above {}: run cargo xtask inside of the repository",
                    start.display()
                )
            })?;
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        Ok(Self {
            root: root.to_path_buf(),
            cargo,
        })
    }

    /// A cargo command at the workspace root.
    pub(crate) fn cargo<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        self.program(&self.cargo, args)
    }

    /// Any other program at the workspace root.
    pub(crate) fn program<S: AsRef<OsStr>>(
        &self,
        program: impl AsRef<OsStr>,
        args: impl IntoIterator<Item = S>,
    ) -> Command {
        let mut command = Command::new(program);
        command
            .args(args)
            .current_dir(&self.root)
            .stdin(Stdio::null());
        command
    }

    /// A scratch folder under `target/`; git and tidy ignore it.
    pub(crate) fn scratch(&self, name: &str) -> PathBuf {
        self.root.join("target").join(name)
    }

    /// The path of a program that cargo builds in the `dev` profile.
    pub(crate) fn built(&self, name: &str) -> PathBuf {
        self.target().join("debug").join(name)
    }

    /// The path of a program that cargo builds in the `release` profile.
    pub(crate) fn optimized(&self, name: &str) -> PathBuf {
        self.target().join("release").join(name)
    }

    /// The path of a `release` program for another platform.
    pub(crate) fn optimized_for(&self, platform: &str, name: &str) -> PathBuf {
        self.target().join(platform).join("release").join(name)
    }

    /// The folder of build results.
    pub(crate) fn target(&self) -> PathBuf {
        let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
        self.root.join(target)
    }
}

/// Runs a command; its output goes to xtask's output.
pub(crate) fn run(command: &mut Command) -> Outcome {
    announce(command);
    let status = command.status().map_err(|e| cannot_start(command, &e))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("`{}` failed ({status})", line(command)))
    }
}

/// Runs a command and returns its standard output.
pub(crate) fn capture(command: &mut Command) -> Result<String, String> {
    command.stderr(Stdio::inherit());
    let output = command.output().map_err(|e| cannot_start(command, &e))?;
    if !output.status.success() {
        return Err(format!("`{}` failed ({})", line(command), output.status));
    }
    String::from_utf8(output.stdout)
        .map_err(|_| format!("`{}` printed something that is not UTF-8", line(command)))
}

/// Runs a command, prints its output immediately, and returns it too.
pub(crate) fn run_and_keep(command: &mut Command) -> Result<String, String> {
    match run_and_show(command)? {
        (true, kept) => Ok(kept),
        (false, _) => Err(format!("`{}` failed", line(command))),
    }
}

/// Like [`run_and_keep`], but returns the output of a failure too.
pub(crate) fn run_and_show(command: &mut Command) -> Result<(bool, String), String> {
    announce(command);
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| cannot_start(command, &e))?;
    let mut kept = String::new();
    if let Some(stdout) = child.stdout.take() {
        for text in BufReader::new(stdout).lines() {
            let text = text.map_err(|e| format!("reading from `{}`: {e}", line(command)))?;
            println!("{text}");
            kept.push_str(&text);
            kept.push('\n');
        }
    }
    let status = child
        .wait()
        .map_err(|e| format!("waiting for `{}`: {e}", line(command)))?;
    Ok((status.success(), kept))
}

/// Returns whether the program starts and succeeds; prints nothing.
pub(crate) fn works(command: &mut Command) -> bool {
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|s| s.success())
}

/// Returns an error that names the first argument, if any.
pub(crate) fn no_args(args: &[String]) -> Outcome {
    match args {
        [] => Ok(()),
        [first, ..] => Err(format!("this step takes no arguments, got {first:?}")),
    }
}

/// Reads a text file; the error names the file.
pub(crate) fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|e| format!("reading {}: {e}", path.display()))
}

/// Writes a text file and its folder; the error names the file.
pub(crate) fn write(path: &Path, text: &str) -> Outcome {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).map_err(|e| format!("creating {}: {e}", dir.display()))?;
    }
    std::fs::write(path, text).map_err(|e| format!("writing {}: {e}", path.display()))
}

fn announce(command: &Command) {
    eprintln!("+ {}", line(command));
}

fn cannot_start(command: &Command, why: &std::io::Error) -> String {
    format!("`{}` could not be started: {why}", line(command))
}

/// The command as typed in a shell: environment, file name, arguments.
fn line(command: &Command) -> String {
    let mut words = Vec::new();
    for (key, value) in command.get_envs() {
        let value = value.unwrap_or_default().to_string_lossy();
        words.push(format!("{}={value:?}", key.to_string_lossy()));
    }
    let program = Path::new(command.get_program());
    words.push(
        program
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
    );
    words.extend(
        command
            .get_args()
            .map(|arg| arg.to_string_lossy().into_owned()),
    );
    words.join(" ")
}
