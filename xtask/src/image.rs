//! `image`: a container image of the gateway.
//!
//! `--check` runs it under a real runtime. The program is linked statically against musl, so that the image has no other program or library.
//! buildah needs no daemon, and with `FROM scratch` no registry.

use std::fs;
use std::path::{Path, PathBuf};

use crate::apt;
use crate::cmd::{capture, run as run_command, write, Cx, Outcome};
use crate::{auditable, meta};

/// Authorities of `tls_client.trust_store = "system"`.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";
const USER: &str = "65532";

/// Writes the image to `target/image` as an OCI archive.
pub(crate) fn run(cx: &Cx, args: &[String]) -> Outcome {
    let check = match args {
        [] => false,
        [flag] if flag == "--check" => true,
        _ => {
            return Err(format!(
                "unknown arguments {args:?}: only --check is allowed"
            ))
        }
    };
    apt::for_image(cx)?;
    let program = build(cx)?;
    let folder = cx.scratch("image");
    rootfs(cx, &program, &folder.join("rootfs"))?;
    let version = meta::gateway_version(cx)?;
    let name = format!("ron-gateway:{version}");
    let mut make = buildah(cx, "build");
    // The time of the files: the same commit gives the same image.
    make.args([
        "--isolation",
        "chroot",
        "--timestamp",
        &meta::commit_date(cx, "%ct")?,
    ]);
    make.args(["--quiet", "--file", "deploy/Containerfile", "--tag", &name]);
    run_command(make.arg(&folder))?;
    let archive = folder.join(format!("ron-gateway-{version}.tar"));
    if archive.exists() {
        fs::remove_file(&archive).map_err(|e| format!("removing {}: {e}", archive.display()))?;
    }
    push(
        cx,
        &name,
        &format!("oci-archive:{}:{name}", archive.display()),
    )?;
    eprintln!("{}", archive.display());
    if check {
        return run_checks(cx, &name);
    }
    Ok(())
}

/// Builds the static program and removes its symbols.
fn build(cx: &Cx) -> Result<PathBuf, String> {
    let platform = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    run_command(&mut cx.program("rustup", ["target", "add", &platform]))?;
    let mut build = auditable::command(cx)?;
    // The C code of aws-lc and mimalloc.
    build.env(format!("CC_{}", platform.replace('-', "_")), "musl-gcc");
    run_command(build.args(["--release", "--target", &platform]))?;
    let program = cx.optimized_for(&platform, "ron-gateway");
    let headers = capture(cx.program("readelf", ["--program-headers"]).arg(&program))?;
    if headers.contains("INTERP") {
        return Err(format!("{} is not static", program.display()));
    }
    Ok(program)
}

/// Writes the files of the image.
fn rootfs(cx: &Cx, program: &Path, root: &Path) -> Outcome {
    if root.exists() {
        fs::remove_dir_all(root).map_err(|e| format!("removing {}: {e}", root.display()))?;
    }
    write(
        &root.join("etc/passwd"),
        &format!("ron-gateway:x:{USER}:{USER}:ron-gateway:/:/sbin/nologin\n"),
    )?;
    write(&root.join("etc/group"), &format!("ron-gateway:x:{USER}:\n"))?;
    let installed = root.join("usr/bin/ron-gateway");
    for (from, to) in [
        (
            Path::new(AUTHORITIES).to_path_buf(),
            "etc/ssl/certs/ca-certificates.crt",
        ),
        (
            cx.root.join("LICENSE-MIT"),
            "usr/share/doc/ron-gateway/LICENSE-MIT",
        ),
        (
            cx.root.join("LICENSE-APACHE"),
            "usr/share/doc/ron-gateway/LICENSE-APACHE",
        ),
        (program.to_path_buf(), "usr/bin/ron-gateway"),
    ] {
        let to = root.join(to);
        let folder = to.parent().unwrap_or(root);
        fs::create_dir_all(folder).map_err(|e| format!("creating {}: {e}", folder.display()))?;
        fs::copy(&from, &to).map_err(|e| format!("copying {}: {e}", from.display()))?;
    }
    run_command(cx.program("strip", ["--strip-unneeded"]).arg(&installed))?;
    // The owner is root in the image, and the modes do not follow the umask.
    run_command(cx.program("chmod", ["-R", "u=rwX,go=rX"]).arg(root))
}

/// Runs `testing/ops/scripts/image.py` in namespaces of its own; it needs root.
fn run_checks(cx: &Cx, name: &str) -> Outcome {
    let layout = cx.scratch("image").join("layout");
    let bundle = cx.scratch("image").join("bundle");
    for folder in [&layout, &bundle] {
        if folder.exists() {
            fs::remove_dir_all(folder)
                .map_err(|e| format!("removing {}: {e}", folder.display()))?;
        }
    }
    push(cx, name, &format!("oci:{}:check", layout.display()))?;
    let image = format!("{}:check", layout.display());
    run_command(
        cx.program("umoci", ["unpack", "--image", &image])
            .arg(&bundle),
    )?;
    let spaces = [
        "--mount",
        "--net",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
    ];
    let mut script = cx.program("unshare", spaces);
    script.args(["python3", "testing/ops/scripts/image.py"]);
    run_command(script.arg(bundle))
}

fn push(cx: &Cx, name: &str, to: &str) -> Outcome {
    run_command(buildah(cx, "push").args(["--quiet", name, to]))
}

/// A buildah command whose images are below `target`.
fn buildah(cx: &Cx, command: &str) -> std::process::Command {
    let folder = cx.scratch("image");
    let mut buildah = cx.program("buildah", ["--storage-driver", "vfs"]);
    buildah.arg("--root").arg(folder.join("storage"));
    buildah.arg("--runroot").arg(folder.join("run"));
    buildah.arg(command);
    buildah
}
