//! The configuration of a node (`torrc`) and of a client (Arti's TOML).

use std::fmt::Write as _;
use std::path::Path;

use super::node::{Identity, Node};

/// The relays that clients may use as guards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guards {
    /// Every relay but the exit.
    NotExit,
    /// Every relay.
    ///
    /// Arti chooses the guard before the exit, so a client whose guard is the only exit has no
    /// path.
    Any,
}

/// The options of every node: a network on one address.
///
/// New relays get every role at once but guard and exit. Later votes are far apart, because a
/// client republishes after each. Relays build no circuits of their own, which the only exit would
/// prevent.
const COMMON: &str = "\
TestingTorNetwork 1
PathsNeededToBuildCircuits 0.67
TestingDirAuthVoteHSDir *
TestingMinExitFlagThreshold 0
V3AuthNIntervalsValid 2
AssumeReachable 1
__DisablePredictedCircuits 1
";

/// Every relay is `Fast`, regardless of its traffic.
const AUTHORITY: &str = "\
AuthoritativeDirectory 1
V3AuthoritativeDirectory 1
TestingV3AuthInitialVoteDelay 2
TestingV3AuthInitialDistDelay 2
V3AuthVotingInterval 300
V3AuthVoteDelay 20
V3AuthDistDelay 20
AuthDirFastGuarantee 1 byte
ExitRelay 0
ExitPolicy reject *:*
";

const MIDDLE: &str = "\
ExitRelay 0
ExitPolicy reject *:*
";

/// Without `RefuseUnknownExits 0` the first streams fail.
const EXIT: &str = "\
ExitRelay 1
RefuseUnknownExits 0
ExitPolicyRejectPrivate 0
ExitPolicy accept 127.0.0.0/8:*
ExitPolicy accept *:*
";

/// The options for making keys and listening.
pub(super) fn keys(node: Node, or_port: u16, dir: &Path) -> String {
    format!(
        "Nickname {node}\n\
         DataDirectory {dir}\n\
         Address 127.0.0.1\n\
         ORPort 127.0.0.1:{or_port} IPv4Only\n\
         SocksPort 0\n",
        dir = quoted(dir)
    )
}

/// Returns the configuration of the node `own` of `all`.
///
/// The first votes come every `interval_secs`, counted from midnight. The node ends with the
/// process `owner`.
pub(super) fn torrc(
    own: &Identity,
    all: &[Identity],
    dir: &Path,
    interval_secs: u64,
    owner: u32,
    guards: Guards,
) -> String {
    let mut text = keys(own.node, own.or_port, dir) + COMMON;
    for identity in all {
        if let Some(authority) = &identity.authority {
            let _ = writeln!(
                text,
                "DirAuthority {} orport={} no-v2 v3ident={} 127.0.0.1:{} {}",
                identity.node,
                identity.or_port,
                authority.v3ident,
                authority.dir_port,
                identity.rsa
            );
        }
    }
    text += match own.node {
        Node::Middle => MIDDLE,
        Node::Exit => EXIT,
        Node::Auth1 | Node::Auth2 | Node::Auth3 => AUTHORITY,
    };
    if let Some(exit) = all.iter().find(|identity| identity.node == Node::Exit) {
        let _ = writeln!(text, "TestingDirAuthVoteExit {}", exit.rsa);
    }
    text += &match guards {
        Guards::NotExit => {
            let guards = all.iter().filter(|identity| identity.node != Node::Exit);
            let guards: Vec<_> = guards.map(|identity| identity.rsa.as_str()).collect();
            format!(
                "TestingDirAuthVoteGuardIsStrict 1\nTestingDirAuthVoteGuard {}\n",
                guards.join(",")
            )
        }
        Guards::Any => "TestingDirAuthVoteGuard *\n".to_owned(),
    };
    if let Some(authority) = &own.authority {
        let _ = writeln!(text, "DirPort 127.0.0.1:{}", authority.dir_port);
    }
    // Authorities must agree on the interval; other nodes may know it.
    let _ = writeln!(text, "TestingV3AuthInitialVotingInterval {interval_secs}");
    let _ = writeln!(text, "PidFile {}", quoted(&dir.join("pid")));
    let _ = writeln!(text, "__OwningControllerProcess {owner}");
    text
}

/// The invented stability record of the authorities (`router-stability`).
///
/// Each relay ran for months.
///
/// Without it, a relay that started a second later than half of the others is not `Stable`.
pub(super) fn stability(all: &[Identity]) -> String {
    let mut text = String::from(
        "format 2\nstored-at 2020-01-01 00:00:00\ntracked-since 2019-01-01 00:00:00\ndata\n",
    );
    for identity in all {
        let rsa = &identity.rsa;
        let _ = writeln!(text, "R {rsa}\n+MTBF 8640000 1.0\n+WFU 8640000 8640000");
    }
    text + ".\n"
}

/// Returns Arti's configuration: authorities, fallback caches, and path rules.
///
/// The rules allow that all relays share one local address.
pub(super) fn client(all: &[&Identity]) -> String {
    let authorities = all
        .iter()
        .filter_map(|identity| identity.authority.as_ref());
    let idents: Vec<_> = authorities.map(|a| format!("{:?}", a.v3ident)).collect();
    // Other nodes serve no consensus before they have fetched one.
    let caches = all.iter().filter(|identity| identity.authority.is_some());
    let mut text = format!(
        "[tor_network]\nauthorities = {{ v3idents = [{}] }}\nfallback_caches = [\n",
        idents.join(", ")
    );
    for identity in caches {
        let _ = writeln!(
            text,
            "  {{ rsa_identity = {:?}, ed_identity = {:?}, orports = [\"{}\"] }},",
            identity.rsa,
            identity.ed25519,
            identity.or_addr()
        );
    }
    text += "]\n\n\
        [path_rules]\n\
        ipv4_subnet_family_prefix = 33\n\
        ipv6_subnet_family_prefix = 129\n\n\
        [address_filter]\n\
        allow_local_addrs = true\n";
    text
}

/// Returns a quoted path: a space or a `#` would end it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[test]
fn path_with_special_signs_stays_one_path() {
    assert_eq!(quoted(Path::new("/a b/#c")), r#""/a b/#c""#);
    assert_eq!(quoted(Path::new(r#"/a"b\c"#)), r#""/a\"b\\c""#);
}
