//! The client of SOCKS5 (RFC 1928) with passwords (RFC 1929).

use std::fmt;
use std::net::IpAddr;

use zeroize::Zeroizing;

use super::TunnelError;
use crate::via::ViaCredentials;

const VERSION: u8 = 5;
/// Version of the subnegotiation about user name and password (RFC 1929 §2).
const AUTH_VERSION: u8 = 1;
const NO_AUTH: u8 = 0;
const PASSWORD: u8 = 2;
const NO_METHOD: u8 = 0xff;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;
/// Bytes of a reply up to the first byte of its address.
const REPLY_START: usize = 5;

/// A negotiation with a SOCKS5 proxy.
pub(super) struct Socks5Handshake {
    /// The command with the target, to send once the client is authenticated.
    request: Vec<u8>,
    credentials: Option<ViaCredentials>,
    output: Zeroizing<Vec<u8>>,
    stage: SocksStage,
    /// Bytes of the current message, taken and in total.
    taken: usize,
    total: usize,
    /// Whether the reply has a name, whose length is its fifth byte.
    has_name: bool,
}

/// The message that the proxy sends next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SocksStage {
    Method,
    Auth,
    Reply,
}

impl fmt::Debug for Socks5Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socks5Handshake")
            .field("stage", &self.stage)
            .finish_non_exhaustive()
    }
}

impl Socks5Handshake {
    pub(super) fn new(host: &str, port: u16, credentials: Option<ViaCredentials>) -> Self {
        let methods: &[u8] = match credentials {
            Some(_) => &[VERSION, 2, NO_AUTH, PASSWORD],
            None => &[VERSION, 1, NO_AUTH],
        };
        Self {
            request: request(host, port),
            credentials,
            output: Zeroizing::new(methods.to_vec()),
            stage: SocksStage::Method,
            taken: 0,
            total: 2,
            has_name: false,
        }
    }

    pub(super) fn output(&mut self) -> Zeroizing<Vec<u8>> {
        std::mem::take(&mut self.output)
    }

    pub(super) const fn wanted(&self) -> usize {
        self.total - self.taken
    }

    /// Takes one byte; [`wanted`](Self::wanted) is over 0.
    pub(super) fn push(&mut self, byte: u8) -> Result<(), TunnelError> {
        self.taken += 1;
        match (self.stage, self.taken) {
            (SocksStage::Method | SocksStage::Reply, 1) if byte != VERSION => {
                Err(TunnelError::Malformed("the proxy does not speak SOCKS5"))
            }
            (SocksStage::Method, 2) => self.choose(byte),
            (SocksStage::Auth, 1) if byte != AUTH_VERSION => Err(TunnelError::Malformed(
                "the SOCKS5 proxy answered user name and password in an unknown version",
            )),
            (SocksStage::Auth, 2) if byte != 0 => Err(TunnelError::BadCredentials),
            (SocksStage::Auth, 2) => {
                self.send_request();
                Ok(())
            }
            (SocksStage::Reply, 2) if byte != 0 => Err(TunnelError::SocksReply(byte)),
            (SocksStage::Reply, 4) => {
                self.total = REPLY_START - 1
                    + match byte {
                        IPV4 => 4 + 2,
                        IPV6 => 16 + 2,
                        // The length of the name follows, and then at least the port.
                        NAME => 1 + 2,
                        _ => {
                            return Err(TunnelError::Malformed(
                                "the SOCKS5 reply has an unknown type of address",
                            ));
                        }
                    };
                self.has_name = byte == NAME;
                Ok(())
            }
            (SocksStage::Reply, REPLY_START) if self.has_name => {
                self.total += usize::from(byte);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn choose(&mut self, method: u8) -> Result<(), TunnelError> {
        match (method, self.credentials.take()) {
            (NO_AUTH, _) => self.send_request(),
            (PASSWORD, Some(credentials)) => {
                self.output = subnegotiation(&credentials);
                self.start(SocksStage::Auth, 2);
            }
            (NO_METHOD, credentials) => {
                let with_password = credentials.is_some();
                return Err(TunnelError::NoMethod { with_password });
            }
            _ => {
                return Err(TunnelError::Malformed(
                    "the SOCKS5 proxy chose an authentication method that was not offered",
                ));
            }
        }
        Ok(())
    }

    fn send_request(&mut self) {
        self.output = Zeroizing::new(std::mem::take(&mut self.request));
        self.start(SocksStage::Reply, REPLY_START);
    }

    fn start(&mut self, stage: SocksStage, total: usize) {
        self.stage = stage;
        (self.taken, self.total) = (0, total);
    }
}

/// Encodes user name and password (RFC 1929 §2).
fn subnegotiation(credentials: &ViaCredentials) -> Zeroizing<Vec<u8>> {
    let (user, password) = (&credentials.user, &credentials.password);
    // Of its final capacity, so that no copy stays behind in freed memory.
    let mut bytes = Zeroizing::new(Vec::with_capacity(3 + user.len() + password.len()));
    bytes.push(AUTH_VERSION);
    for part in [user, password] {
        // `ViaProxy` has at most 255 bytes of each.
        bytes.push(u8::try_from(part.len()).unwrap_or(u8::MAX));
        bytes.extend_from_slice(part);
    }
    bytes
}

/// Encodes CONNECT; the proxy resolves a name.
fn request(host: &str, port: u16) -> Vec<u8> {
    let mut bytes = vec![VERSION, CONNECT, 0];
    match host.parse() {
        Ok(IpAddr::V4(ip)) => {
            bytes.push(IPV4);
            bytes.extend(ip.octets());
        }
        Ok(IpAddr::V6(ip)) => {
            bytes.push(IPV6);
            bytes.extend(ip.octets());
        }
        Err(_) => {
            // A target's host has at most 253 bytes.
            bytes.extend([NAME, u8::try_from(host.len()).unwrap_or(u8::MAX)]);
            bytes.extend_from_slice(host.as_bytes());
        }
    }
    bytes.extend(port.to_be_bytes());
    bytes
}
