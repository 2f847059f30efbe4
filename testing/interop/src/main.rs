//! TLS and the PROXY protocol with programs of other projects.
//!
//! Command line tools, languages, a browser and scanners run as real processes. The program prints
//! a table of each check with the expected and the observed result.
//!
//! `cargo xtask peers tls|proxy [--quick] [--json] [PEER…]` installs the peers and runs this program.
// The program is not async: each wait has a thread of its own.
#![allow(clippy::disallowed_methods)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod gateway;
mod lab;
mod peers;
mod proxy;
mod scripted;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use lab::Lab;
use peers::{Peer, PEERS};
use proxy::PROXY_PEERS;
use table::{Rows, Table};

const USAGE: &str =
    "usage: ron-interop --gateway PROGRAM --tools DIR [--proxy] [--quick] [--json] [--list] [PEER...]";

/// The command line's settings.
#[derive(Default)]
struct Args {
    gateway: PathBuf,
    tools: PathBuf,
    /// The PROXY protocol instead of TLS.
    proxy: bool,
    quick: bool,
    json: bool,
    /// Prints the chosen names only.
    list: bool,
    names: Vec<String>,
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("ron-interop: {why}");
            ExitCode::from(2)
        }
    }
}

/// Runs the chosen peers; returns whether every row is as expected.
fn run() -> Result<bool, String> {
    let args = parse(std::env::args().skip(1))?;
    let chosen = choose(&args)?;
    if args.list {
        chosen.iter().for_each(|peer| println!("{}", peer.name));
        return Ok(true);
    }
    let lab = Lab::new(&args.gateway, args.tools)?;
    let mut table = Table::default();
    for peer in chosen {
        match (peer.version)(&lab) {
            Ok(version) => (peer.run)(&lab, &mut Rows::new(&mut table, peer.name, &version)),
            Err(why) => Rows::new(&mut table, peer.name, "-").skip(&why),
        }
    }
    if args.json {
        println!("{}", table.json());
    } else {
        print!("{}", table.text());
    }
    Ok(table.is_good())
}

fn parse(args: impl Iterator<Item = String>) -> Result<Args, String> {
    let mut parsed = Args::default();
    let mut args = args;
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(USAGE);
        match arg.as_str() {
            "--gateway" => parsed.gateway = value()?.into(),
            "--tools" => parsed.tools = value()?.into(),
            "--proxy" => parsed.proxy = true,
            "--quick" => parsed.quick = true,
            "--json" => parsed.json = true,
            "--list" => parsed.list = true,
            flag if flag.starts_with('-') => return Err(USAGE.into()),
            _ => parsed.names.push(arg),
        }
    }
    if parsed.gateway.as_os_str().is_empty() || parsed.tools.as_os_str().is_empty() {
        return Err(USAGE.into());
    }
    Ok(parsed)
}

/// Returns the named peers, all of them, or the quick ones.
fn choose(args: &Args) -> Result<Vec<&'static Peer>, String> {
    let peers = if args.proxy { PROXY_PEERS } else { PEERS };
    let known = |name: &String| peers.iter().any(|peer| peer.name == name);
    if let Some(name) = args.names.iter().find(|name| !known(name)) {
        let names: Vec<_> = peers.iter().map(|peer| peer.name).collect();
        return Err(format!(
            "unknown peer {name:?}; known: {}",
            names.join(", ")
        ));
    }
    let is_chosen = |peer: &&Peer| {
        let named = args.names.is_empty() || args.names.iter().any(|name| name == peer.name);
        named && (peer.quick || !args.quick)
    };
    Ok(peers.iter().filter(is_chosen).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(line: &str) -> Result<Vec<&'static str>, String> {
        let line = format!("--gateway g --tools t {line}");
        let args = parse(line.split_whitespace().map(str::to_owned))?;
        Ok(choose(&args)?.iter().map(|peer| peer.name).collect())
    }

    #[test]
    fn names_and_quick_choose_peers() {
        assert_eq!(chosen("").unwrap().len(), PEERS.len());
        assert_eq!(chosen("--quick").unwrap(), ["openssl", "curl", "pyopenssl"]);
        assert_eq!(chosen("node curl").unwrap(), ["curl", "node"]);
        assert_eq!(chosen("--proxy nginx").unwrap(), ["nginx"]);
        assert!(chosen("--proxy node").unwrap_err().contains("haproxy"));
        assert!(chosen("nood").unwrap_err().contains("testssl"));
        assert_eq!(chosen("--fast").unwrap_err(), USAGE);
        assert_eq!(parse(std::iter::empty()).err().unwrap(), USAGE);
    }
}
