//! The proxy of dials: a URL with hidden credentials.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use transport_core::schema::ValueError;
use transport_core::Target;
use zeroize::Zeroizing;

/// Longest user name or password in bytes (RFC 1929 §2).
const MAX_CREDENTIAL_BYTES: usize = 255;
/// The allowed forms, for error texts and the manual.
pub(crate) const FORMS: &str =
    "socks5://HOST:PORT or http://HOST:PORT, with USER:PASSWORD@ before \
     HOST where the proxy wants them; empty for none";

/// A proxy through which connections are dialed, with its credentials.
///
/// It is parsed from `socks5://user:password@host:port` (RFC 1928, RFC 1929), or from
/// `http://user:password@host:port` for the method CONNECT (RFC 9110 §9.3.6). The credentials are
/// optional, and characters in them may be percent-encoded. `socks5h` is another name of `socks5`:
/// the proxy always resolves the names of targets.
///
/// `Display` and `Debug` hide the credentials, which are zeroed with the last clone. Cheap to clone.
///
/// ```
/// use transport_proxy::ViaProxy;
///
/// let proxy: ViaProxy = "socks5://alice:p%40ss@proxy.internal:1080".parse()?;
/// assert_eq!(proxy.to_string(), "socks5://<set>@proxy.internal:1080");
/// assert!("https://proxy.internal:443".parse::<ViaProxy>().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ViaProxy(Arc<ViaParts>);

#[derive(PartialEq, Eq)]
struct ViaParts {
    protocol: ViaProtocol,
    target: Target,
    credentials: Option<ViaCredentials>,
    /// The parsed text.
    setting: Zeroizing<String>,
}

/// The protocol towards a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ViaProtocol {
    Socks5,
    Http,
}

/// User name and password, each of 1 to 255 bytes.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ViaCredentials {
    pub(crate) user: Zeroizing<Vec<u8>>,
    pub(crate) password: Zeroizing<Vec<u8>>,
}

impl ViaProxy {
    /// Returns the address of the proxy.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.0.target
    }

    /// Hides the credentials of a text that may be a proxy.
    ///
    /// It returns `<set>` for a text that is none.
    #[must_use]
    pub fn redact(text: &str) -> String {
        let proxy = text.parse::<Self>();
        proxy.map_or_else(|_| "<set>".to_owned(), |proxy| proxy.to_string())
    }

    pub(crate) fn protocol(&self) -> ViaProtocol {
        self.0.protocol
    }

    pub(crate) fn credentials(&self) -> Option<&ViaCredentials> {
        self.0.credentials.as_ref()
    }

    /// Returns the text as a configuration contains it, with the credentials.
    pub(crate) fn setting(&self) -> &str {
        &self.0.setting
    }
}

impl FromStr for ViaProxy {
    type Err = ValueError;

    /// Parses the URL of a proxy. No error quotes the text.
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (scheme, rest) = text.split_once("://").ok_or_else(form)?;
        let is = |name: &str| scheme.eq_ignore_ascii_case(name);
        let protocol = if is("socks5") || is("socks5h") {
            ViaProtocol::Socks5
        } else if is("http") {
            ViaProtocol::Http
        } else {
            return Err(form());
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (credentials, addr) = match rest.rsplit_once('@') {
            Some((credentials, addr)) => {
                (Some(ViaCredentials::parse(credentials, protocol)?), addr)
            }
            None => (None, rest),
        };
        let target: Target = addr.parse().map_err(|_| form())?;
        if target.is_onion() {
            return Err(ValueError::new(
                "the proxy must not be an onion service: its name would reach a resolver",
            ));
        }
        Ok(Self(Arc::new(ViaParts {
            protocol,
            target,
            credentials,
            setting: Zeroizing::new(text.to_owned()),
        })))
    }
}

fn form() -> ValueError {
    ValueError::new(format!("must be {FORMS}"))
}

impl fmt::Display for ViaProxy {
    /// Formats the URL; `<set>` stands for the credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.protocol() {
            ViaProtocol::Socks5 => "socks5",
            ViaProtocol::Http => "http",
        };
        let hidden = self.credentials().map_or("", |_| "<set>@");
        write!(f, "{scheme}://{hidden}{}", self.target())
    }
}

impl fmt::Debug for ViaProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ViaProxy({self})")
    }
}

impl ViaCredentials {
    fn parse(text: &str, protocol: ViaProtocol) -> Result<Self, ValueError> {
        let parts = text.split_once(':').ok_or_else(|| {
            ValueError::new("the credentials before @ must be USER:PASSWORD, both set")
        })?;
        let credentials = Self {
            user: decoded(parts.0)?,
            password: decoded(parts.1)?,
        };
        // RFC 7617 §2.
        if protocol == ViaProtocol::Http && credentials.user.contains(&b':') {
            return Err(ValueError::new(
                "the user name of an HTTP proxy must not contain a colon",
            ));
        }
        Ok(credentials)
    }
}

/// Decodes percent-encoding (RFC 3986 §2.1), and checks the length.
fn decoded(text: &str) -> Result<Zeroizing<Vec<u8>>, ValueError> {
    // Of its final capacity, so that no copy stays behind in freed memory.
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        bytes.push(match (first, after) {
            (b'%', [high, low, after @ ..]) => {
                rest = after;
                hex([*high, *low]).ok_or_else(percent)?
            }
            (b'%', _) => return Err(percent()),
            (byte, _) => *byte,
        });
    }
    let is_control = |byte: &u8| byte.is_ascii_control();
    if bytes.is_empty() || bytes.len() > MAX_CREDENTIAL_BYTES || bytes.iter().any(is_control) {
        return Err(ValueError::new(format!(
            "user name and password must have 1 to {MAX_CREDENTIAL_BYTES} bytes each, without \
             control characters"
        )));
    }
    Ok(bytes)
}

fn hex(digits: [u8; 2]) -> Option<u8> {
    let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
    u8::try_from(high? << 4 | low?).ok()
}

fn percent() -> ValueError {
    ValueError::new("a percent sign in the credentials must be written as %25")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> ViaProxy {
        text.parse().unwrap()
    }

    #[test]
    fn proxy_round_trips_without_credentials() {
        for (text, shown) in [
            ("socks5://127.0.0.1:1080", "socks5://127.0.0.1:1080"),
            (
                "socks5h://proxy.example:1080",
                "socks5://proxy.example:1080",
            ),
            ("HTTP://[::1]:3128/", "http://[::1]:3128"),
            ("http://u:p@proxy:3128", "http://<set>@proxy:3128"),
        ] {
            let proxy = parse(text);
            assert_eq!(proxy.to_string(), shown);
            assert_eq!(proxy.setting(), text);
            assert_eq!(ViaProxy::redact(text), shown);
        }
        assert_eq!(ViaProxy::redact("https://u:p@proxy:1"), "<set>");
    }

    #[test]
    fn credentials_are_decoded_and_hidden() {
        let proxy = parse("socks5://al%3Aice:p%40s@s:%25@proxy:1080");
        let ViaCredentials { user, password } = proxy.credentials().unwrap();
        assert_eq!(user.as_slice(), b"al:ice");
        assert_eq!(password.as_slice(), b"p@s@s:%");
        let shown = format!("{proxy} {proxy:?}");
        assert!(!shown.contains("ice") && !shown.contains("@s"), "{shown}");
        assert_ne!(proxy, parse("socks5://al%3Aice:other@proxy:1080"));
    }

    #[test]
    fn longest_credentials_are_taken() {
        let (user, password) = ("u".repeat(255), "p".repeat(255));
        let proxy = parse(&format!("socks5://{user}:{password}@proxy:1080"));
        let credentials = proxy.credentials().unwrap();
        assert_eq!(credentials.user.as_slice(), user.as_bytes());
        assert_eq!(credentials.password.as_slice(), password.as_bytes());
        let over = format!("socks5://u:{password}p@proxy:1080");
        over.parse::<ViaProxy>().unwrap_err();
    }

    #[test]
    fn wrong_proxy_is_refused_without_quote() {
        let long = format!("socks5://{}:secret@proxy:1", "u".repeat(256));
        for text in [
            "",
            "proxy:1080",
            "https://u:secret@proxy:443",
            "socks4://u:secret@proxy:1080",
            "socks5://proxy",
            "socks5://proxy:0",
            "socks5://secret@proxy:1080",
            "socks5://:secret@proxy:1080",
            "socks5://secret:@proxy:1080",
            "socks5://u:secret%0a@proxy:1080",
            "socks5://u:secret%2@proxy:1080",
            "socks5://u:secret%zz@proxy:1080",
            "http://u%3A:secret@proxy:1080",
            "http://u:secret@proxy:3128/path",
            "socks5://<set>@proxy:1080",
            "socks5://u:secret@abc.onion:1080",
            &long,
        ] {
            let why = text.parse::<ViaProxy>().unwrap_err().to_string();
            assert!(!why.contains("secret"), "{why}");
        }
    }
}
