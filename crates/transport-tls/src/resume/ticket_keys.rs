//! Session ticket keys shared by replicas: `tls.ticket_keys_path`.
//!
//! The file has one key per line in base64, of 48 or 80 bytes. The first key encrypts tickets, every
//! key decrypts them. HAProxy's `tls-ticket-keys` reads the same lines, but encrypts with the last
//! key but one. Its tickets and ours are not interchangeable.
//!
//! The bytes of a line are input keying material only. With HKDF-SHA-256 (RFC 5869):
//!
//! ```text
//! root  = Extract("ron-transport ticket keys v1", line)
//! name  = Expand(root, "name")                         16 bytes
//! seal  = Expand(root, "seal")                         32 bytes
//! key || nonce = Expand(seal, salt)                    32 and 12 bytes, of one ticket
//! ticket = name || salt || AES-256-GCM(key, nonce, aad = name || trust, plaintext)
//! ```
//!
//! `salt` is 32 random bytes, so no key encrypts twice, however many tickets the replicas issue.
//! `trust` is the hash of every setting and file that decides which clients are accepted: a replica
//! with other authorities, CRLs or allow-lists ignores the ticket.

use std::fmt;

use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce, UnboundKey, AES_256_GCM, NONCE_LEN};
use aws_lc_rs::hkdf::{KeyType, Prk, Salt, HKDF_SHA256};
use aws_lc_rs::rand;
use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use tokio_rustls::rustls::server::ProducesTickets;
use zeroize::Zeroizing;

use super::lifetime::MAX_AGE;

/// Longest line in bytes that is decoded.
const MAX_LINE: usize = 120;
/// Key lengths in bytes.
///
/// They are HAProxy's name and two keys of 16 or 32 bytes.
const KEY_LENS: [usize; 2] = [48, 80];
/// Most keys in a file.
const MAX_KEYS: usize = 32;
const NAME_LEN: usize = 16;
const SALT_LEN: usize = 32;
const SEAL_LEN: usize = 32;

/// The ticket keys of one file.
pub(crate) struct TicketKeys(Vec<TicketKey>);

struct TicketKey {
    name: [u8; NAME_LEN],
    seal: Prk,
}

impl TicketKeys {
    /// Parses a file. The caller overwrites its bytes afterwards.
    ///
    /// # Errors
    /// Names the line that is not a key, and the reason, without its content.
    pub(crate) fn parse(file: &[u8]) -> Result<Self, String> {
        let lines = file.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
        let mut keys = Vec::new();
        for (number, line) in lines.enumerate().filter(|(_, line)| !line.is_empty()) {
            let wrong = |why: &str| format!("line {} {why}", number + 1);
            if keys.len() == MAX_KEYS {
                return Err(wrong("exceeds the limit of 32 keys: remove old ones"));
            }
            keys.push(TicketKey::parse(line).map_err(wrong)?);
        }
        if keys.is_empty() {
            return Err(
                "the file has no key: create one with `openssl rand -base64 48`".to_owned(),
            );
        }
        Ok(Self(keys))
    }
}

impl TicketKey {
    fn parse(line: &[u8]) -> Result<Self, &'static str> {
        const WRONG: &str = "is not a key: use 48 or 80 bytes in base64, as printed by \
                             `openssl rand -base64 48`";
        if line.len() > MAX_LINE {
            return Err(WRONG);
        }
        let mut bytes = Zeroizing::new([0; MAX_LINE]);
        let len = STANDARD
            .decode_slice(line, &mut *bytes)
            .map_err(|_| WRONG)?;
        if !KEY_LENS.contains(&len) {
            return Err(WRONG);
        }
        Self::derive(&bytes[..len]).ok_or("cannot be used: the crypto library rejected it")
    }

    fn derive(secret: &[u8]) -> Option<Self> {
        let root = Salt::new(HKDF_SHA256, b"ron-transport ticket keys v1").extract(secret);
        let mut name = [0; NAME_LEN];
        let okm = root.expand(&[b"name"], OutputLen(NAME_LEN)).ok()?;
        okm.fill(&mut name).ok()?;
        let seal = root.expand(&[b"seal"], HKDF_SHA256).ok()?.into();
        Some(Self { name, seal })
    }

    /// Derives the key and the nonce of the ticket with this salt.
    fn derive_ticket_key(&self, salt: &[u8]) -> Option<(LessSafeKey, Nonce)> {
        let mut out = Zeroizing::new([0; SEAL_LEN + NONCE_LEN]);
        let info = [salt];
        let okm = self.seal.expand(&info, OutputLen(out.len())).ok()?;
        okm.fill(&mut *out).ok()?;
        let (key, nonce) = out.split_at(SEAL_LEN);
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).ok()?);
        Some((key, Nonce::try_assume_unique_for_key(nonce).ok()?))
    }

    fn seal(&self, trust: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
        let mut ticket = Vec::with_capacity(NAME_LEN + SALT_LEN + plain.len() + 16);
        ticket.extend_from_slice(&self.name);
        ticket.resize(NAME_LEN + SALT_LEN, 0);
        rand::fill(&mut ticket[NAME_LEN..]).ok()?;
        ticket.extend_from_slice(plain);
        let (head, sealed) = ticket.split_at_mut(NAME_LEN + SALT_LEN);
        let (key, nonce) = self.derive_ticket_key(&head[NAME_LEN..])?;
        let tag = key
            .seal_in_place_separate_tag(nonce, self.aad(trust), sealed)
            .ok()?;
        ticket.extend_from_slice(tag.as_ref());
        Some(ticket)
    }

    fn open(&self, trust: &[u8], salt: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (key, nonce) = self.derive_ticket_key(salt)?;
        let mut plain = sealed.to_vec();
        let len = key
            .open_in_place(nonce, self.aad(trust), &mut plain)
            .ok()?
            .len();
        plain.truncate(len);
        Some(plain)
    }

    fn aad(&self, trust: &[u8]) -> Aad<Vec<u8>> {
        Aad::from([&self.name[..], trust].concat())
    }
}

/// A length of HKDF output in bytes.
struct OutputLen(usize);

impl KeyType for OutputLen {
    fn len(&self) -> usize {
        self.0
    }
}

/// A ticketer with keys shared by replicas that have the same trust.
pub(crate) struct SharedKeyTicketer {
    keys: std::sync::Arc<TicketKeys>,
    trust: [u8; 32],
}

impl SharedKeyTicketer {
    pub(crate) const fn new(keys: std::sync::Arc<TicketKeys>, trust: [u8; 32]) -> Self {
        Self { keys, trust }
    }
}

impl ProducesTickets for SharedKeyTicketer {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        u32::try_from(MAX_AGE).unwrap_or(u32::MAX)
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.keys.0.first()?.seal(&self.trust, plain)
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let name = ticket.get(..NAME_LEN)?;
        let salt = ticket.get(NAME_LEN..NAME_LEN + SALT_LEN)?;
        let key = self.keys.0.iter().find(|key| key.name == name)?;
        key.open(&self.trust, salt, &ticket[NAME_LEN + SALT_LEN..])
    }
}

impl fmt::Debug for TicketKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TicketKeys({})", self.0.len())
    }
}

impl fmt::Debug for SharedKeyTicketer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedKeyTicketer").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;

    fn line(byte: u8, len: usize) -> String {
        STANDARD.encode(vec![byte; len])
    }

    fn shared(file: &str, trust: u8) -> SharedKeyTicketer {
        let keys = TicketKeys::parse(file.as_bytes()).unwrap();
        SharedKeyTicketer::new(Arc::new(keys), [trust; 32])
    }

    #[test]
    fn first_key_seals_and_every_key_opens() {
        let (one, two) = (line(1, 48), line(2, 80));
        let old = shared(&one, 0).encrypt(b"session").unwrap();
        let rotated = shared(&format!("{two}\n{one}\n"), 0);
        assert_eq!(rotated.decrypt(&old).unwrap(), b"session");
        let new = rotated.encrypt(b"session").unwrap();
        assert_eq!(shared(&two, 0).decrypt(&new).unwrap(), b"session");
        assert_eq!(shared(&two, 0).decrypt(&old), None, "its key was removed");
        assert_eq!(
            shared(&one, 0).decrypt(&new),
            None,
            "encrypted with the other key"
        );
    }

    #[test]
    fn ticket_of_other_trust_is_refused() {
        let file = line(1, 48);
        let ticket = shared(&file, 0).encrypt(b"session").unwrap();
        assert!(shared(&file, 0).decrypt(&ticket).is_some());
        assert_eq!(shared(&file, 1).decrypt(&ticket), None);
    }

    #[test]
    fn tickets_are_unique() {
        let keys = shared(&line(1, 48), 0);
        assert_ne!(keys.encrypt(b"session"), keys.encrypt(b"session"));
    }

    #[test]
    fn file_formats() {
        let key = line(1, 48);
        for good in [
            key.clone(),
            format!("{key}\r\n\n{}\r\n", line(2, 80)),
            format!("  {key}  "),
        ] {
            TicketKeys::parse(good.as_bytes()).unwrap();
        }
        for (bad, says) in [
            (String::new(), "the file has no key"),
            ("\n\n".to_owned(), "the file has no key"),
            (line(1, 47), "line 1 is not a key"),
            (format!("{key}\n{}", line(1, 64)), "line 2 is not a key"),
            (format!("{key}\n\nnot base64"), "line 3 is not a key"),
            (line(1, 100), "line 1 is not a key"),
            (
                vec![key; 33].join("\n"),
                "line 33 exceeds the limit of 32 keys",
            ),
        ] {
            let why = TicketKeys::parse(bad.as_bytes()).unwrap_err();
            assert!(why.starts_with(says), "{why}");
        }
    }

    #[test]
    fn changed_byte_is_rejected() {
        let keys = shared(&line(1, 48), 0);
        let ticket = keys.encrypt(b"session").unwrap();
        for at in 0..ticket.len() {
            let mut changed = ticket.clone();
            changed[at] ^= 1;
            assert_eq!(keys.decrypt(&changed), None, "{at}");
            assert_eq!(keys.decrypt(&ticket[..at]), None, "{at}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = TicketKeys::parse(&bytes);
            prop_assert_eq!(shared(&line(1, 48), 0).decrypt(&bytes), None);
        }
    }
}
