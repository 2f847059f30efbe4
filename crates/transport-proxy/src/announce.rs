//! The header that announces an accepted connection to an upstream.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use transport_core::{ConnInfo, PeerAddr, Proxied, ProxiedAddrs, ProxiedTls, ProxyVersion};

/// The network of onion-service circuits, as the tor daemon announces them.
const CIRCUITS: u128 = 0xfc00_dead_beef_4dad << 64;

/// Returns the address that stands for a circuit of an onion-service client.
///
/// It is in `fc00:dead:beef:4dad::/64`, with the circuit's number in the last 64 bits and its last
/// 16 bits as the port, as the option `HiddenServiceExportCircuitID haproxy` of the tor daemon does.
///
/// ```
/// use transport_proxy::circuit_addr;
///
/// assert_eq!(circuit_addr(0x2_0007).to_string(), "[fc00:dead:beef:4dad::2:7]:7");
/// ```
#[must_use]
pub fn circuit_addr(circuit: u64) -> SocketAddr {
    let ip = Ipv6Addr::from(CIRCUITS | u128::from(circuit));
    let [.., high, low] = circuit.to_be_bytes();
    SocketAddr::new(ip.into(), u16::from_be_bytes([high, low]))
}

/// Describes an accepted connection for the header to its upstream.
///
/// - Addresses: the peer's, announced or not, and the one that it connected to. A circuit of an onion
///   service has [its address](circuit_addr) and `::1`; a process at a Unix socket has none.
/// - TLS facts, host name and protocol: those of the connection's own TLS session, else those that its
///   header announced. `common_name` is the one in the certificate of the own session.
/// - Identifier: the announced one, else the connection's number.
#[must_use]
pub fn announce(client: &ConnInfo, version: ProxyVersion, common_name: Option<&str>) -> Proxied {
    let received = client.proxied.as_deref();
    let mut header = Proxied::new(version);
    header.addrs = addrs(client, received);
    if client.kx.is_some() {
        header.tls = Some(tls(client, common_name));
        header.authority.clone_from(&client.server_name);
        header.alpn.clone_from(&client.alpn);
    } else if let Some(received) = received {
        header.tls.clone_from(&received.tls);
        header.authority.clone_from(&received.authority);
        header.alpn.clone_from(&received.alpn);
    }
    let received_id = received.and_then(|facts| facts.unique_id.clone());
    let own_id = || client.id.to_string().into_bytes().into();
    header.unique_id = Some(received_id.unwrap_or_else(own_id));
    header
}

fn addrs(client: &ConnInfo, received: Option<&Proxied>) -> ProxiedAddrs {
    let known = |source, destination| ProxiedAddrs::Ip {
        source,
        destination,
    };
    // A hop that announced no address is not the client.
    if received.is_some_and(|facts| facts.source().is_none()) {
        return ProxiedAddrs::Unknown;
    }
    match client.peer {
        Some(PeerAddr::Ip(source)) => {
            let announced = received.and_then(Proxied::destination);
            let destination = announced.or(client.local);
            known(source, destination.unwrap_or_else(|| unspecified(source)))
        }
        Some(PeerAddr::Circuit(circuit)) => {
            let destination = SocketAddr::new(Ipv6Addr::LOCALHOST.into(), 0);
            known(circuit_addr(circuit), destination)
        }
        _ => ProxiedAddrs::Unknown,
    }
}

/// Returns the unspecified address of the source's family.
fn unspecified(source: SocketAddr) -> SocketAddr {
    let ip: IpAddr = match source.ip().to_canonical() {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    SocketAddr::new(ip, 0)
}

fn tls(client: &ConnInfo, common_name: Option<&str>) -> ProxiedTls {
    let verified = client.identity.verified().is_some();
    let mut facts = ProxiedTls::default();
    facts.client_cert = verified && !client.resumed;
    facts.session_cert = verified;
    facts.verified = verified;
    // The transport accepts no other version.
    facts.version = Some("TLSv1.3".into());
    facts.cipher = client.cipher.map(Into::into);
    facts.common_name = common_name.map(Into::into);
    facts
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use transport_core::{Backend, CertificateChain, KeyExchange, PeerIdentity, VerifiedIdentity};

    use super::*;

    fn client(peer: PeerAddr) -> ConnInfo {
        let mut info = ConnInfo::new(Backend::Tcp, Some(peer));
        info.id = 7;
        info.local = Some("192.0.2.9:443".parse().unwrap());
        info
    }

    fn ip(text: &str) -> PeerAddr {
        PeerAddr::Ip(text.parse().unwrap())
    }

    #[test]
    fn peer_and_number_are_announced() {
        let header = announce(&client(ip("192.0.2.1:5000")), ProxyVersion::V2, None);
        assert_eq!(header.source().unwrap().to_string(), "192.0.2.1:5000");
        assert_eq!(header.destination().unwrap().to_string(), "192.0.2.9:443");
        assert_eq!(header.unique_id.as_deref(), Some(&b"7"[..]));
        assert_eq!((&header.tls, &header.authority), (&None, &None));
    }

    #[test]
    fn circuit_has_address_of_tor_daemon() {
        let header = announce(
            &client(PeerAddr::Circuit(0x0001_002a)),
            ProxyVersion::V1,
            None,
        );
        let source = header.source().unwrap();
        assert_eq!(source.to_string(), "[fc00:dead:beef:4dad::1:2a]:42");
        assert_eq!(header.destination().unwrap().to_string(), "[::1]:0");
        let last = circuit_addr(u64::MAX);
        assert_eq!(
            last.to_string(),
            "[fc00:dead:beef:4dad:ffff:ffff:ffff:ffff]:65535"
        );
    }

    #[test]
    fn process_has_no_address() {
        let header = announce(&client(PeerAddr::Uid(1000)), ProxyVersion::V2, None);
        assert_eq!(header.addrs, ProxiedAddrs::Unknown);
    }

    #[test]
    fn received_facts_are_passed_on() {
        let mut info = client(ip("192.0.2.1:5000"));
        let mut received = Proxied::new(ProxyVersion::V2);
        received.addrs = ProxiedAddrs::Ip {
            source: "192.0.2.1:5000".parse().unwrap(),
            destination: "198.51.100.1:80".parse().unwrap(),
        };
        received.authority = Some("a.example".into());
        received.unique_id = Some((*b"req-1").into());
        info.proxied = Some(Arc::new(received.clone()));
        let header = announce(&info, ProxyVersion::V2, None);
        assert_eq!(header, received);
        received.addrs = ProxiedAddrs::Unknown;
        info.proxied = Some(Arc::new(received));
        let header = announce(&info, ProxyVersion::V2, None);
        assert_eq!(
            header.addrs,
            ProxiedAddrs::Unknown,
            "the hop is not the client"
        );
    }

    #[test]
    fn own_tls_session_replaces_received_facts() {
        let mut info = client(ip("192.0.2.1:5000"));
        let mut received = Proxied::new(ProxyVersion::V1);
        received.authority = Some("outer.example".into());
        received.addrs = ProxiedAddrs::Ip {
            source: "192.0.2.1:5000".parse().unwrap(),
            destination: "198.51.100.1:80".parse().unwrap(),
        };
        info.proxied = Some(Arc::new(received));
        info.kx = Some(KeyExchange::X25519);
        info.cipher = Some("TLS_AES_256_GCM_SHA384");
        info.server_name = Some("inner.example".into());
        info.resumed = true;
        let verified = VerifiedIdentity::new(Vec::new(), CertificateChain::default(), [0; 32]);
        info.identity = PeerIdentity::Verified(Arc::new(verified));
        let header = announce(&info, ProxyVersion::V2, Some("alice"));
        assert_eq!(header.authority.as_deref(), Some("inner.example"));
        let tls = header.tls.unwrap();
        assert!(tls.verified && tls.session_cert && !tls.client_cert);
        assert_eq!(tls.common_name.as_deref(), Some("alice"));
        assert_eq!(tls.cipher.as_deref(), Some("TLS_AES_256_GCM_SHA384"));
    }
}
