//! The files of the package.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::cmd::{capture, read, run as run_command, write, Cx, Outcome};
use crate::meta::commit_date;

/// Copied files: source, destination.
const FILES: &[(&str, &str)] = &[
    ("deploy/gateway.toml", "etc/ron/gateway.toml"),
    (
        "deploy/systemd/ron-gateway.socket",
        "usr/lib/systemd/system/ron-gateway.socket",
    ),
    (
        "deploy/completions/ron-gateway.bash",
        "usr/share/bash-completion/completions/ron-gateway",
    ),
    (
        "deploy/completions/_ron-gateway",
        "usr/share/zsh/vendor-completions/_ron-gateway",
    ),
    (
        "deploy/completions/ron-gateway.fish",
        "usr/share/fish/vendor_completions.d/ron-gateway.fish",
    ),
    (
        "docs/ops/alerts.yml",
        "usr/share/doc/ron-gateway/examples/alerts.yml",
    ),
    (
        "docs/ops/grafana.json",
        "usr/share/doc/ron-gateway/examples/grafana.json",
    ),
];

/// Files that Debian wants compressed.
const COMPRESSED: &[(&str, &str)] = &[
    (
        "deploy/man/ron-gateway.1",
        "usr/share/man/man1/ron-gateway.1",
    ),
    (
        "deploy/man/ron-gateway.toml.5",
        "usr/share/man/man5/ron-gateway.toml.5",
    ),
    ("CHANGELOG.md", "usr/share/doc/ron-gateway/changelog"),
];

const SERVICE: &str = "usr/lib/systemd/system/ron-gateway.service";

/// Texts of the unit that differ in the package: before, after, occurrences.
///
/// The package has a user of its own, to whom key files can belong.
const UNIT: &[(&str, &str, usize)] = &[
    ("/usr/local/bin/ron-gateway", "/usr/bin/ron-gateway", 2),
    (
        "# A dedicated user that exists only while the service runs.\nDynamicUser=yes\n",
        "User=ron-gateway\nGroup=ron-gateway\n",
        1,
    ),
    (
        "Install the program in /usr/local/bin and its\n# configuration as /etc/ron/gateway.toml.",
        "Its\n# configuration is /etc/ron/gateway.toml.",
        1,
    ),
];

/// Writes the package of one version and returns its path.
pub(super) fn package(cx: &Cx, program: &Path, version: &str) -> Result<PathBuf, String> {
    let architecture = capture(&mut cx.program("dpkg", ["--print-architecture"]))?;
    let architecture = architecture.trim();
    let name = format!("ron-gateway_{version}_{architecture}");
    let tree = cx.scratch("deb").join(&name);
    if tree.exists() {
        fs::remove_dir_all(&tree).map_err(|e| format!("removing {}: {e}", tree.display()))?;
    }
    let installed = tree.join("usr/bin/ron-gateway");
    make_folder(&installed)?;
    run_command(
        cx.program("strip", ["--strip-unneeded", "-o"])
            .args([&installed, program]),
    )?;
    copy_files(cx, &tree, version)?;
    write(&tree.join(SERVICE), &unit(cx)?)?;
    set_modes(&tree)?;
    set_mode(&installed, 0o755)?;
    control(cx, &tree, version, architecture)?;
    let archive = cx.scratch("deb").join(format!("{name}.deb"));
    let mut build = cx.program("dpkg-deb", ["--root-owner-group", "-Zxz", "--build"]);
    // Times in the archive: the same commit gives the same package.
    build.env("SOURCE_DATE_EPOCH", commit_date(cx, "%ct")?);
    run_command(build.args([&tree, &archive]))?;
    Ok(archive)
}

fn copy_files(cx: &Cx, tree: &Path, version: &str) -> Outcome {
    for (from, to) in FILES {
        write(&tree.join(to), &read(&cx.root.join(from))?)?;
    }
    let date = commit_date(cx, "%cD")?;
    let changes = format!(
        "ron-gateway ({version}) unstable; urgency=medium\n\n  * The changelog of this version is in \
         changelog.gz.\n\n -- {}  {date}\n",
        maintainer(cx)?
    );
    let history = "usr/share/doc/ron-gateway/changelog.Debian";
    write(&tree.join(history), &changes)?;
    for (from, to) in COMPRESSED {
        write(&tree.join(to), &read(&cx.root.join(from))?)?;
    }
    for name in COMPRESSED.iter().map(|(_, to)| *to).chain([history]) {
        run_command(cx.program("gzip", ["-9nf"]).arg(tree.join(name)))?;
    }
    let licence = read(&cx.root.join("LICENSE-MIT"))?;
    let licence: Vec<_> = licence.lines().map(paragraph_line).collect();
    let copyright = read(&cx.root.join("deploy/debian/copyright"))?;
    let copyright = copyright.replace("@MIT@", &licence.join("\n"));
    write(
        &tree.join("usr/share/doc/ron-gateway/copyright"),
        &copyright,
    )
}

/// A line of a multi-line field; an empty one is a dot.
fn paragraph_line(line: &str) -> String {
    let text = if line.is_empty() { "." } else { line };
    format!(" {text}")
}

fn unit(cx: &Cx) -> Result<String, String> {
    let mut text = read(&cx.root.join("deploy/systemd/ron-gateway.service"))?;
    for (before, after, times) in UNIT {
        let found = text.matches(before).count();
        if found != *times {
            return Err(format!("the unit has {found} of {times} times {before:?}"));
        }
        text = text.replace(before, after);
    }
    Ok(text)
}

/// Writes the control files, with size and sums of the installed files.
fn control(cx: &Cx, tree: &Path, version: &str, architecture: &str) -> Outcome {
    let folder = tree.join("DEBIAN");
    let size = capture(cx.program("du", ["-sk", "--apparent-size"]).arg(tree))?;
    let size = size.split_whitespace().next().unwrap_or_default();
    let text = read(&cx.root.join("deploy/debian/control"))?
        .replace("@VERSION@", version)
        .replace("@ARCHITECTURE@", architecture)
        .replace("@DEPENDS@", &libraries(cx, tree)?)
        .replace("@SIZE@", size);
    let sums =
        "find . -type f ! -path './DEBIAN/*' ! -path './etc/*' -printf '%P\\n' | LC_ALL=C sort | \
                xargs -d '\\n' md5sum";
    let sums = capture(cx.program("sh", ["-c", sums]).current_dir(tree))?;
    write(&folder.join("control"), &text)?;
    write(&folder.join("md5sums"), &sums)?;
    for name in ["conffiles", "postinst", "prerm", "postrm"] {
        let file = folder.join(name);
        write(&file, &read(&cx.root.join("deploy/debian").join(name))?)?;
    }
    for name in ["control", "md5sums", "conffiles"] {
        set_mode(&folder.join(name), 0o644)?;
    }
    for name in ["postinst", "prerm", "postrm"] {
        set_mode(&folder.join(name), 0o755)?;
    }
    set_mode(&folder, 0o755)
}

/// The packages of the program's shared libraries, with versions.
fn libraries(cx: &Cx, tree: &Path) -> Result<String, String> {
    // dpkg-shlibdeps reads a source package's control file.
    let folder = cx.scratch("deb").join("shlibdeps");
    let source = "Source: ron-gateway\n\nPackage: ron-gateway\nArchitecture: any\n";
    write(&folder.join("debian/control"), source)?;
    let mut command = cx.program("dpkg-shlibdeps", ["-O"]);
    command.arg(tree.join("usr/bin/ron-gateway"));
    let found = capture(command.current_dir(&folder))?;
    let found = found.trim().strip_prefix("shlibs:Depends=");
    found
        .map(str::to_owned)
        .ok_or_else(|| "dpkg-shlibdeps printed no dependencies".into())
}

fn maintainer(cx: &Cx) -> Result<String, String> {
    let control = read(&cx.root.join("deploy/debian/control"))?;
    let line = control
        .lines()
        .find_map(|line| line.strip_prefix("Maintainer: "));
    Ok(line
        .ok_or("deploy/debian/control has no maintainer")?
        .to_owned())
}

fn make_folder(file: &Path) -> Outcome {
    let folder = file.parent().unwrap_or(file);
    fs::create_dir_all(folder).map_err(|e| format!("creating {}: {e}", folder.display()))
}

/// Gives folders mode 0755 and files 0644, whatever the umask is.
fn set_modes(folder: &Path) -> Outcome {
    set_mode(folder, 0o755)?;
    let entries = fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    for entry in entries {
        let path = entry.map_err(|e| e.to_string())?.path();
        if path.is_dir() {
            set_modes(&path)?;
        } else {
            set_mode(&path, 0o644)?;
        }
    }
    Ok(())
}

fn set_mode(path: &Path, mode: u32) -> Outcome {
    fs::set_permissions(path, Permissions::from_mode(mode))
        .map_err(|e| format!("mode of {}: {e}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_line_of_a_field_is_a_dot() {
        assert_eq!(paragraph_line(""), " .");
        assert_eq!(paragraph_line("a b"), " a b");
    }

    #[test]
    fn unit_of_the_package_has_its_user() {
        let unit = unit(&Cx::new().unwrap()).unwrap();
        assert!(
            unit.contains("\nExecStart=/usr/bin/ron-gateway --config"),
            "{unit}"
        );
        assert!(unit.contains("\nUser=ron-gateway\n") && !unit.contains("DynamicUser"));
        assert!(!unit.contains("/usr/local"), "{unit}");
    }
}
