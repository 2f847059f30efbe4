//! The consensus of an authority over HTTP (dir-spec, flavour "microdesc").
//!
//! Only the fields that tests use are parsed.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::node::Node;

/// The timeout of connect, send and every read.
const PATIENCE: Duration = Duration::from_secs(2);
/// Far more than five relays need.
const CEILING: u64 = 1 << 20;

/// A consensus of the authorities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consensus {
    /// The start of its validity, as `YYYY-MM-DD HH:MM:SS` in UTC.
    pub valid_after: String,
    /// The relays.
    pub relays: Vec<Listed>,
}

/// A relay in the consensus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The nickname.
    pub nickname: String,
    /// The RSA identity, in base64 without padding.
    pub identity: String,
    /// The OR port.
    pub or_port: u16,
    /// The flags, such as `Exit`, `Guard`, `HSDir`, `Running`.
    pub flags: Vec<String>,
}

impl Consensus {
    /// Returns the entry of a node.
    pub fn relay(&self, node: Node) -> Option<&Listed> {
        self.relays.iter().find(|r| r.nickname == node.nickname())
    }

    /// Returns the nodes that are missing.
    pub(super) fn missing(&self) -> Vec<Node> {
        let mut missing = Node::ALL.to_vec();
        missing.retain(|node| self.relay(*node).is_none());
        missing
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let valid_after = lines.find_map(|line| line.strip_prefix("valid-after "))?;
        let mut relays = Vec::<Listed>::new();
        for line in lines {
            let words: Vec<_> = line.split(' ').collect();
            match words[..] {
                // r nickname identity date time address orport dirport
                ["r", nickname, identity, _, _, _, or_port, _] => relays.push(Listed {
                    nickname: nickname.to_owned(),
                    identity: identity.to_owned(),
                    or_port: or_port.parse().ok()?,
                    flags: Vec::new(),
                }),
                ["s", ref flags @ ..] => {
                    relays.last_mut()?.flags = flags.iter().map(ToString::to_string).collect();
                }
                _ => {}
            }
        }
        Some(Self {
            valid_after: valid_after.to_owned(),
            relays,
        })
    }
}

/// Fetches the consensus of an authority; `None` if it has none.
pub(super) fn fetch(authority: SocketAddr) -> io::Result<Option<Consensus>> {
    let mut stream = TcpStream::connect_timeout(&authority, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /tor/status-vote/current/consensus-microdesc HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(CEILING).read_to_string(&mut answer)?;
    let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let status = answer.split(' ').nth(1).unwrap_or_default();
    if status == "404" {
        return Ok(None);
    }
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body);
    let body = body.filter(|_| status == "200");
    let body = body.ok_or_else(|| invalid(&format!("HTTP status {status:?}")))?;
    let parsed = Consensus::parse(body);
    parsed.map(Some).ok_or_else(|| invalid("not a consensus"))
}

#[test]
fn relays_parsed_with_flags() {
    let text = "network-status-version 3 microdesc\nvalid-after 2030-01-01 00:00:10\n\
        known-flags Exit Running\nr exit aWQ 2030-01-01 00:00:04 127.0.0.1 5001 0\nm bWQ\n\
        s Exit Running\nv Tor 0.4.9\nr middle aWR 2030-01-01 00:00:04 127.0.0.1 5002 0\ns\n";
    let read = Consensus::parse(text).unwrap();
    assert_eq!(read.valid_after, "2030-01-01 00:00:10");
    assert_eq!(read.relay(Node::Exit).unwrap().flags, ["Exit", "Running"]);
    assert_eq!(read.relay(Node::Middle).unwrap().or_port, 5002);
    assert_eq!(read.missing(), [Node::Auth1, Node::Auth2, Node::Auth3]);
    assert_eq!(Consensus::parse("s Exit\n"), None);
}
