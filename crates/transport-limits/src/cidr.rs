//! IP prefixes in CIDR notation, and lists of them.
//!
//! The notation is that of RFC 4632 §3.1 and RFC 4291 §2.3.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use prefix_trie::PrefixSet;
use transport_core::schema::ValueError;

/// Bits before the IPv4 address in a v4-mapped one (RFC 4291 §2.5.5.2).
const MAPPED_BITS: u8 = 96;
/// Most characters of a wrong entry that its error quotes.
const MAX_QUOTED: usize = 64;

/// A network: an address whose bits after the prefix length are 0.
///
/// A v4-mapped IPv6 prefix of 96 bits or more equals the IPv4 prefix in it. A single address is the
/// prefix of its full length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IpPrefix {
    network: IpAddr,
    len: u8,
}

impl IpPrefix {
    /// Returns the network's address.
    #[must_use]
    pub const fn network(self) -> IpAddr {
        self.network
    }

    /// Returns the length of the prefix in bits.
    #[must_use]
    #[allow(clippy::len_without_is_empty)]
    pub const fn len(self) -> u8 {
        self.len
    }
}

impl fmt::Display for IpPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.len)
    }
}

impl FromStr for IpPrefix {
    type Err = ValueError;

    /// Parses `10.0.0.0/8`, `2001:db8::/32`, or an address.
    fn from_str(text: &str) -> Result<Self, ValueError> {
        parse(text).map_err(|why| {
            let quoted: String = text.chars().take(MAX_QUOTED).collect();
            let more = if quoted.len() < text.len() { "…" } else { "" };
            ValueError::new(format!("{quoted:?}{more} {why}"))
        })
    }
}

fn parse(text: &str) -> Result<IpPrefix, String> {
    let (addr, len) = match text.split_once('/') {
        Some((addr, len)) => (addr, Some(len)),
        None => (text, None),
    };
    let addr: IpAddr = addr.parse().map_err(|_| {
        "is not an IP address or a prefix such as 10.0.0.0/8 or 2001:db8::/32".to_owned()
    })?;
    let (family, bits) = match addr {
        IpAddr::V4(_) => ("IPv4", 32),
        IpAddr::V6(_) => ("IPv6", 128),
    };
    let len = match len {
        None => bits,
        Some(len) => length(len)
            .filter(|len| *len <= bits)
            .ok_or_else(|| wrong_length(addr, len, family, bits))?,
    };
    let network = masked(addr, len);
    let mapped = match addr {
        IpAddr::V6(ip) => ip.to_ipv4_mapped(),
        IpAddr::V4(_) => None,
    };
    match mapped {
        Some(ip) if len < MAPPED_BITS => Err(format!(
            "holds an IPv4 address, so its length is 96 to 128; write the IPv4 prefix, such as {ip}/32"
        )),
        _ if network != addr => Err(format!(
            "has bits set after its first {len}: the network is {network}/{len}, and the single address \
             is {addr}/{bits}"
        )),
        Some(ip) => Ok(IpPrefix {
            network: IpAddr::V4(ip),
            len: len - MAPPED_BITS,
        }),
        None => Ok(IpPrefix { network, len }),
    }
}

/// Parses a length: digits only.
fn length(text: &str) -> Option<u8> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

fn wrong_length(addr: IpAddr, len: &str, family: &str, bits: u8) -> String {
    let mask = len.parse::<Ipv4Addr>().ok().map(u32::from);
    match mask.filter(|mask| mask.leading_ones() + mask.trailing_zeros() == 32) {
        Some(mask) if addr.is_ipv4() => {
            let len = mask.leading_ones();
            format!("has a netmask in place of a length: write {addr}/{len}")
        }
        _ => format!("has no valid length: that of an {family} prefix is 0 to {bits}"),
    }
}

fn masked(addr: IpAddr, len: u8) -> IpAddr {
    let len = u32::from(len);
    match addr {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32 - len).unwrap_or(0);
            Ipv4Addr::from(u32::from(ip) & mask).into()
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128 - len).unwrap_or(0);
            Ipv6Addr::from(u128::from(ip) & mask).into()
        }
    }
}

/// A list of prefixes; the cost of a lookup is constant.
///
/// ```
/// use transport_limits::IpPrefixes;
///
/// let list = IpPrefixes::parse(&["10.0.0.0/8", "2001:db8::/32"])?;
/// assert!(list.contains("10.1.2.3".parse()?));
/// assert!(list.contains("::ffff:10.1.2.3".parse()?), "v4-mapped counts as v4");
/// assert!(!list.contains("192.0.2.1".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct IpPrefixes {
    list: Vec<IpPrefix>,
    v4: PrefixSet<(u32, u8)>,
    v6: PrefixSet<(u128, u8)>,
}

impl IpPrefixes {
    /// Parses each item of a list.
    ///
    /// # Errors
    /// The first item that is not a prefix, quoted, with the network or length that was probably
    /// meant.
    pub fn parse<S: AsRef<str>>(items: &[S]) -> Result<Self, ValueError> {
        items.iter().map(|item| item.as_ref().parse()).collect()
    }

    /// Returns whether a prefix of the list contains this address.
    #[must_use]
    pub fn contains(&self, addr: IpAddr) -> bool {
        match addr.to_canonical() {
            IpAddr::V4(ip) => self.v4.get_spm(&(u32::from(ip), 32)).is_some(),
            IpAddr::V6(ip) => self.v6.get_spm(&(u128::from(ip), 128)).is_some(),
        }
    }

    /// Returns whether the list is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Returns the prefixes in the order of the list.
    #[must_use]
    pub fn as_slice(&self) -> &[IpPrefix] {
        &self.list
    }
}

impl FromIterator<IpPrefix> for IpPrefixes {
    fn from_iter<T: IntoIterator<Item = IpPrefix>>(prefixes: T) -> Self {
        let mut all = Self::default();
        for prefix in prefixes {
            match prefix.network {
                IpAddr::V4(ip) => all.v4.insert((ip.into(), prefix.len)),
                IpAddr::V6(ip) => all.v6.insert((ip.into(), prefix.len)),
            };
            all.list.push(prefix);
        }
        all
    }
}

impl PartialEq for IpPrefixes {
    fn eq(&self, other: &Self) -> bool {
        self.list == other.list
    }
}

impl Eq for IpPrefixes {}

impl fmt::Debug for IpPrefixes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.list).finish()
    }
}

impl fmt::Display for IpPrefixes {
    /// Formats the list as the value of a configuration key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, prefix) in self.list.iter().enumerate() {
            let separator = if at == 0 { "" } else { "," };
            write!(f, "{separator}{prefix}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
