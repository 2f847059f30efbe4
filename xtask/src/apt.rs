//! System programs that tests run.
//!
//! A missing program is installed with apt by root on a Debian-like system.

use std::path::PathBuf;

use crate::cmd::{run, works, Cx, Outcome};

const STRACE: (&str, &str, &str) = ("strace", "-V", "strace");
const SETPRIV: (&str, &str, &str) = ("setpriv", "--version", "util-linux");

/// Programs for tests: name, argument that makes them exit, Debian package.
const FOR_TESTS: &[(&str, &str, &str)] = &[
    // Shows the files that a process writes.
    STRACE, // A process with another user id and one capability.
    SETPRIV,
    // Completions, and the manual pages.
    ("zsh", "--version", "zsh"),
    ("fish", "--version", "fish"),
    ("man", "--version", "man-db"),
    ("mandoc", "/dev/null", "mandoc"),
    // The client and, under another name, the server of the Redis example.
    ("redis-cli", "--version", "redis-tools"),
];

/// Programs for drills.
const FOR_DRILLS: &[(&str, &str, &str)] = &[
    // Network namespaces, links and packet loss.
    ("ip", "-V", "iproute2"),
    ("nft", "--version", "nftables"),
    // Another user id, death with the parent, a low descriptor limit.
    SETPRIV,
    ("prlimit", "--version", "util-linux"),
    // Socket activation.
    ("systemd-socket-activate", "--version", "systemd"),
    // The balancer in front of replicas; `NGINX` is another one.
    HAPROXY,
];

/// Programs that measure the `edge` preset.
const FOR_EDGE: &[(&str, &str, &str)] = &[
    SETPRIV,
    STRACE,
    // The memory limit on systems without control groups.
    ("prlimit", "--version", "util-linux"),
];

/// The headers of OpenSSL, for tools that are built from source.
const OPENSSL_HEADERS: [(&str, &str, &str); 2] = [
    ("pkg-config", "--version", "pkg-config"),
    ("pkg-config", "openssl", "libssl-dev"),
];

/// Programs that build for aarch64 and run the result.
const FOR_AARCH64: &[(&str, &str, &str)] = &[
    (
        "aarch64-linux-gnu-gcc",
        "--version",
        "gcc-aarch64-linux-gnu",
    ),
    // C headers; the compiler's package only recommends them.
    (
        "ls",
        "/usr/aarch64-linux-gnu/include/stdio.h",
        "libc6-dev-arm64-cross",
    ),
    ("qemu-aarch64", "--version", "qemu-user"),
];

const HAPROXY: (&str, &str, &str) = ("haproxy", "-v", "haproxy");
const NGINX: &[(&str, &str, &str)] = &[
    ("nginx", "-v", "nginx-light"),
    // An nginx module is a file, not a program.
    (
        "ls",
        "/usr/lib/nginx/modules/ngx_stream_module.so",
        "libnginx-mod-stream",
    ),
];

/// Programs that build the Debian package and check it.
const FOR_DEB: &[(&str, &str, &str)] = &[
    ("dpkg-shlibdeps", "--version", "dpkg-dev"),
    ("strip", "--version", "binutils"),
    ("debootstrap", "--version", "debootstrap"),
    ("unshare", "--version", "util-linux"),
    ("ip", "-V", "iproute2"),
    ("lintian", "--version", "lintian"),
];

/// Programs that build the container image and run it.
const FOR_IMAGE: &[(&str, &str, &str)] = &[
    // musl-gcc without a file prints an error; the file of its package shows that it exists.
    ("ls", "/usr/bin/musl-gcc", "musl-tools"),
    ("strip", "--version", "binutils"),
    (
        "ls",
        "/etc/ssl/certs/ca-certificates.crt",
        "ca-certificates",
    ),
    ("buildah", "--version", "buildah"),
    ("umoci", "--version", "umoci"),
    ("crun", "--version", "crun"),
    ("openssl", "version", "openssl"),
    ("unshare", "--version", "util-linux"),
    ("ip", "-V", "iproute2"),
];

/// The nodes of the private Tor network.
///
/// With systemd, Debian's package also enables and starts a service: a client that listens for SOCKS on
/// loopback. Tests do not use it and leave it to the owner of the machine.
const TOR: (&str, &str, &str) = ("tor", "--version", "tor");

/// The C++ compiler of libFuzzer.
const CPP: (&str, &str, &str) = ("c++", "--version", "g++");

/// Installs a C++ compiler if it is missing.
pub(crate) fn cpp(cx: &Cx) -> Outcome {
    make_sure(cx, &CPP)
}

/// Installs LLVM of a major version if it is missing.
pub(crate) fn llvm(cx: &Cx, major: &str) -> Outcome {
    let (program, package) = (format!("llvm-cov-{major}"), format!("llvm-{major}"));
    make_sure(cx, &(&program, "--version", &package))
}

/// Installs `tor` if it is missing.
pub(crate) fn tor(cx: &Cx) -> Outcome {
    make_sure(cx, &TOR)
}

/// Installs the missing programs for tests.
pub(crate) fn for_tests(cx: &Cx) -> Outcome {
    FOR_TESTS
        .iter()
        .try_for_each(|program| make_sure(cx, program))
}

/// Installs the missing programs for drills.
pub(crate) fn for_drills(cx: &Cx) -> Outcome {
    FOR_DRILLS
        .iter()
        .chain(NGINX)
        .try_for_each(|program| make_sure(cx, program))
}

/// Installs nginx and its stream module if they are missing.
pub(crate) fn nginx(cx: &Cx) -> Outcome {
    NGINX.iter().try_for_each(|program| make_sure(cx, program))
}

/// Installs the program that ends a gateway with its parent, for `soak`.
pub(crate) fn for_soak(cx: &Cx) -> Outcome {
    make_sure(cx, &SETPRIV)
}

/// Installs the missing programs that measure the `edge` preset.
pub(crate) fn for_edge(cx: &Cx) -> Outcome {
    FOR_EDGE
        .iter()
        .try_for_each(|program| make_sure(cx, program))
}

/// Installs the missing programs that build and run aarch64 code.
pub(crate) fn for_aarch64(cx: &Cx) -> Outcome {
    FOR_AARCH64
        .iter()
        .try_for_each(|program| make_sure(cx, program))
}

/// Installs the missing programs that build and check the Debian package.
pub(crate) fn for_deb(cx: &Cx) -> Outcome {
    FOR_DEB
        .iter()
        .try_for_each(|program| make_sure(cx, program))
}

/// Installs the missing programs that build and run the container image.
pub(crate) fn for_image(cx: &Cx) -> Outcome {
    FOR_IMAGE
        .iter()
        .try_for_each(|program| make_sure(cx, program))
}

/// Installs the headers of OpenSSL if they are missing.
pub(crate) fn openssl_headers(cx: &Cx) -> Outcome {
    OPENSSL_HEADERS
        .iter()
        .try_for_each(|program| make_sure(cx, program))
}

/// Installs valgrind if it is missing.
pub(crate) fn valgrind(cx: &Cx) -> Outcome {
    make_sure(cx, &("valgrind", "--version", "valgrind"))
}

/// Installs the missing proxies for the handshake bench.
pub(crate) fn for_proxies(cx: &Cx) -> Outcome {
    nginx(cx)?;
    make_sure(cx, &HAPROXY)
}

/// The folder of `promtool` and `prometheus`: in `PATH`, or unpacked now.
pub(crate) fn prometheus(cx: &Cx) -> Result<PathBuf, String> {
    const PROGRAMS: [&str; 2] = ["promtool", "prometheus"];
    let run_in = |dir: PathBuf| {
        let run = |name| works(&mut cx.program(dir.join(name), ["--version"]));
        PROGRAMS.into_iter().all(run).then_some(dir)
    };
    let unpacked = cx.scratch("tools").join("prometheus").join("usr/bin");
    let found = run_in(PathBuf::new()).or_else(|| run_in(unpacked.clone()));
    if let Some(dir) = found {
        return Ok(dir);
    }
    unpack(cx, "prometheus")?;
    run_in(unpacked).ok_or_else(|| "prometheus was unpacked but does not run".into())
}

/// Unpacks a package's files below `target/tools`.
///
/// The package is not installed, because installation would start its service.
fn unpack(cx: &Cx, package: &str) -> Outcome {
    let dir = cx.scratch("tools").join(package);
    std::fs::create_dir_all(&dir).map_err(|e| format!("creating {}: {e}", dir.display()))?;
    if is_root(cx) {
        run(&mut cx.program("apt-get", ["-qq", "update"]))?;
    }
    eprintln!("unpacking {package} into target/tools");
    let mut download = cx.program("apt-get", ["-qq", "download", package]);
    run(download.current_dir(&dir))?;
    let mut archives = Vec::new();
    for entry in std::fs::read_dir(&dir).map_err(|e| e.to_string())? {
        let path = entry.map_err(|e| e.to_string())?.path();
        if path.extension().is_some_and(|ending| ending == "deb") {
            archives.push(path);
        }
    }
    // Of several versions the last one by name; an older one works too.
    archives.sort();
    let archive = archives.pop().ok_or("apt-get downloaded nothing")?;
    run(cx.program("dpkg-deb", ["-x"]).arg(archive).arg(dir))
}

/// Installs a program's package if the program does not run.
pub(crate) fn make_sure(cx: &Cx, (program, flag, package): &(&str, &str, &str)) -> Outcome {
    if works(&mut cx.program(program, [flag])) {
        return Ok(());
    }
    install(cx, package)?;
    if works(&mut cx.program(program, [flag])) {
        Ok(())
    } else {
        Err(format!("{program} was installed but does not run"))
    }
}

/// Installs a package.
pub(crate) fn install(cx: &Cx, package: &str) -> Outcome {
    if !is_root(cx) || !works(&mut cx.program("apt-get", ["--version"])) {
        return Err(format!(
            "package {package} is missing: install it, or run this step as root on a Debian-like \
             system"
        ));
    }
    eprintln!("installing {package} with apt-get");
    run(&mut cx.program("apt-get", ["-qq", "update"]))?;
    let flags = ["-qq", "-y", "--no-install-recommends", "install", package];
    let mut install = cx.program("apt-get", flags);
    run(install.env("DEBIAN_FRONTEND", "noninteractive"))
}

fn is_root(cx: &Cx) -> bool {
    let id = cx.program("id", ["-u"]).output();
    id.is_ok_and(|id| id.stdout == b"0\n")
}
