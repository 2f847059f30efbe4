//! Programs of the system that tests drive: found, or installed by root on a Debian-like system.

use std::path::PathBuf;

use crate::cmd::{run, works, Cx, Outcome};

const STRACE: (&str, &str, &str) = ("strace", "-V", "strace");
const SETPRIV: (&str, &str, &str) = ("setpriv", "--version", "util-linux");

/// Programs that tests need, how to see that they run, and the packages that carry them.
const FOR_TESTS: &[(&str, &str, &str)] = &[
    // What a process writes to disk.
    STRACE, // A process with another user id and one capability.
    SETPRIV,
];

/// Programs that drills use.
const FOR_DRILLS: &[(&str, &str, &str)] = &[
    // Network namespaces and links, packets that are lost.
    ("ip", "-V", "iproute2"),
    ("nft", "--version", "nftables"),
    // A process with another user id, one that dies with its parent, one with few descriptors.
    SETPRIV,
    ("prlimit", "--version", "util-linux"),
    // A socket that is passed on.
    ("systemd-socket-activate", "--version", "systemd"),
];

/// What measures the preset for small devices.
const FOR_EDGE: &[(&str, &str, &str)] = &[
    SETPRIV,
    STRACE,
    // The limit on memory where there is no control group.
    ("prlimit", "--version", "util-linux"),
];

/// What builds for aarch64, and runs it.
const FOR_AARCH64: &[(&str, &str, &str)] = &[
    (
        "aarch64-linux-gnu-gcc",
        "--version",
        "gcc-aarch64-linux-gnu",
    ),
    // The headers of the C library, which the compiler's package only recommends.
    (
        "ls",
        "/usr/aarch64-linux-gnu/include/stdio.h",
        "libc6-dev-arm64-cross",
    ),
    ("qemu-aarch64", "--version", "qemu-user"),
];

/// Proxies that the gateway is measured against, in the same form.
const PROXIES: &[(&str, &str, &str)] = &[
    ("nginx", "-v", "nginx-light"),
    // A module of nginx, which is a file.
    (
        "ls",
        "/usr/lib/nginx/modules/ngx_stream_module.so",
        "libnginx-mod-stream",
    ),
    ("haproxy", "-v", "haproxy"),
];

/// The private network's nodes. On a machine with systemd, Debian's package enables and starts a
/// service of its own (a client, with nothing that listens but SOCKS on loopback); tests neither
/// use nor touch it: whether it runs is the machine's owner's business.
const TOR: (&str, &str, &str) = ("tor", "--version", "tor");

/// Makes sure of `tor`.
pub(crate) fn tor(cx: &Cx) -> Outcome {
    make_sure(cx, &TOR)
}

/// Makes sure of every program that tests need.
pub(crate) fn for_tests(cx: &Cx) -> Outcome {
    FOR_TESTS
        .iter()
        .try_for_each(|program| make_sure(cx, program))
}

/// Makes sure of every program that drills use.
pub(crate) fn for_drills(cx: &Cx) -> Outcome {
    FOR_DRILLS
        .iter()
        .try_for_each(|program| make_sure(cx, program))
}

/// Makes sure of what starts a gateway that dies with its parent.
pub(crate) fn for_soak(cx: &Cx) -> Outcome {
    make_sure(cx, &SETPRIV)
}

/// Makes sure of what measures the preset for small devices.
pub(crate) fn for_edge(cx: &Cx) -> Outcome {
    FOR_EDGE
        .iter()
        .try_for_each(|program| make_sure(cx, program))
}

/// Makes sure of what builds for aarch64, and runs it.
pub(crate) fn for_aarch64(cx: &Cx) -> Outcome {
    FOR_AARCH64
        .iter()
        .try_for_each(|program| make_sure(cx, program))
}

/// Makes sure of the proxies that the gateway is measured against.
pub(crate) fn for_proxies(cx: &Cx) -> Outcome {
    PROXIES
        .iter()
        .try_for_each(|program| make_sure(cx, program))
}

/// Where `promtool` and `prometheus` are: on the path, or unpacked now.
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

/// Unpacks a package's files below `target/tools`. Nothing of it is installed: its service, which
/// would be started at once, does not exist.
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
    // Of several versions the last one by name; an older one is of no harm.
    archives.sort();
    let archive = archives.pop().ok_or("apt-get downloaded nothing")?;
    run(cx.program("dpkg-deb", ["-x"]).arg(archive).arg(dir))
}

/// Makes sure of a program: its name, how to see that it runs, the package that carries it.
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
        return Err(format!("{package} has to be installed first"));
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
