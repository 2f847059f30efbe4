//! Diagnosis of a file without the required PEM block.
//!
//! The text has the command that converts the file. Texts contain no part of the file, which can be
//! a key, and no path: `FILE` stands for it.

use x509_cert::der::asn1::AnyRef;
use x509_cert::der::{Decode, Reader, SliceReader, Tag, Tagged};

const BEGIN: &[u8] = b"-----BEGIN ";
const DASHES: &[u8] = b"-----";

/// The kind of a PEM block or of a whole file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    Certificate,
    TrustedCertificate,
    Request,
    Crl,
    Pkcs7,
    Pkcs12,
    JavaKeystore,
    Key,
    EncryptedKey,
    DsaKey,
    OpenSshKey,
    PublicKey,
    /// Curve or Diffie-Hellman parameters, which can precede a key.
    Parameters,
    Utf16,
    /// Other binary data, or BER.
    Binary,
    Empty,
    Other,
}

/// A PEM block (RFC 7468), up to the next block.
pub(crate) struct PemBlock<'a> {
    pub(crate) kind: FileKind,
    pub(crate) text: &'a [u8],
}

/// Returns every PEM block of a file.
///
/// A block can start on the last line of the one before: `cat` joins files without a final line
/// feed that way.
pub(crate) fn blocks(pem: &[u8]) -> Vec<PemBlock<'_>> {
    let begins_line = |at: usize| {
        let before = &pem[..at];
        matches!(before.last(), None | Some(b'\n' | b'\r')) || before.ends_with(DASHES)
    };
    let starts = pem.windows(BEGIN.len()).enumerate();
    let starts: Vec<usize> = starts
        .filter(|(at, window)| *window == BEGIN && begins_line(*at))
        .map(|(at, _)| at)
        .collect();
    let ends = starts.iter().skip(1).copied().chain([pem.len()]);
    let block = |(&start, end): (&usize, usize)| {
        let text = &pem[start..end];
        PemBlock {
            kind: kind_of(text),
            text,
        }
    };
    starts.iter().zip(ends).map(block).collect()
}

fn kind_of(block: &[u8]) -> FileKind {
    let holds = |mark: &[u8]| block.windows(mark.len()).any(|part| part == mark);
    let label = &block[BEGIN.len()..];
    let end = label.windows(DASHES.len()).position(|part| part == DASHES);
    match &label[..end.unwrap_or(0)] {
        b"CERTIFICATE" => FileKind::Certificate,
        b"TRUSTED CERTIFICATE" | b"X509 CERTIFICATE" => FileKind::TrustedCertificate,
        b"CERTIFICATE REQUEST" | b"NEW CERTIFICATE REQUEST" => FileKind::Request,
        b"X509 CRL" => FileKind::Crl,
        b"PKCS7" | b"CMS" => FileKind::Pkcs7,
        b"ENCRYPTED PRIVATE KEY" => FileKind::EncryptedKey,
        // The older formats have a header for it (RFC 1421 §4.6.1.1).
        b"RSA PRIVATE KEY" | b"EC PRIVATE KEY" if holds(b"Proc-Type: 4,ENCRYPTED") => {
            FileKind::EncryptedKey
        }
        b"PRIVATE KEY" | b"RSA PRIVATE KEY" | b"EC PRIVATE KEY" => FileKind::Key,
        b"DSA PRIVATE KEY" => FileKind::DsaKey,
        b"OPENSSH PRIVATE KEY" => FileKind::OpenSshKey,
        b"PUBLIC KEY" | b"RSA PUBLIC KEY" => FileKind::PublicKey,
        b"EC PARAMETERS" | b"DH PARAMETERS" => FileKind::Parameters,
        _ => FileKind::Other,
    }
}

/// Returns the kind of a file without a PEM block.
pub(crate) fn file_kind(bytes: &[u8]) -> FileKind {
    let blank = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0;
    match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => FileKind::Utf16,
        [0xfe, 0xed, 0xfe, 0xed, ..] | [0xce, 0xce, 0xce, 0xce, ..] => FileKind::JavaKeystore,
        // A SEQUENCE (X.690 §8.9), not the digit `0` of a text.
        [0x30, second, ..] if *second >= 0x80 || !bytes.is_ascii() => {
            der(bytes).unwrap_or(FileKind::Binary)
        }
        _ if bytes.iter().all(blank) => FileKind::Empty,
        _ if std::str::from_utf8(bytes).is_err() => FileKind::Binary,
        _ => FileKind::Other,
    }
}

/// Returns the kind of an X.509 or PKCS structure.
///
/// Its first fields decide.
fn der(bytes: &[u8]) -> Option<FileKind> {
    use Tag::{BitString, Integer, ObjectIdentifier as Oid, OctetString, Sequence};
    let fields = fields(bytes)?;
    let tags: Vec<Tag> = fields.iter().map(|field| field.0).collect();
    Some(match *tags.as_slice() {
        // RFC 7292 §4: version 3, then a ContentInfo.
        [Integer, Sequence] | [Integer, Sequence, Sequence] => FileKind::Pkcs12,
        // RFC 5652 §3.
        [Oid, ..] => FileKind::Pkcs7,
        // RFC 5958 §2, RFC 5915 §3, RFC 8017 §A.1.2.
        [Integer, Sequence, OctetString, ..]
        | [Integer, OctetString, ..]
        | [Integer, Integer, Integer, ..] => FileKind::Key,
        // RFC 5958 §3.
        [Sequence, OctetString] => FileKind::EncryptedKey,
        [Sequence, BitString] => FileKind::PublicKey,
        [Sequence, Sequence, BitString] => signed(fields[0].1)?,
        _ => return None,
    })
}

/// Returns the kind of a signed part.
///
/// A certificate, a request and a CRL have such a part.
fn signed(body: &[u8]) -> Option<FileKind> {
    use Tag::{Integer, Sequence};
    let tags: Vec<Tag> = values(body)?.iter().map(|field| field.0).collect();
    Some(match *tags.as_slice() {
        // RFC 2986 §4: version, subject, key and optional attributes.
        [Integer, Sequence, Sequence] => FileKind::Request,
        [Integer, Sequence, Sequence, attributes] if attributes.is_context_specific() => {
            FileKind::Request
        }
        // RFC 5280 §5.1: `thisUpdate` is the third or fourth field.
        [_, _, time, ..] | [_, _, _, time, ..]
            if matches!(time, Tag::UtcTime | Tag::GeneralizedTime) =>
        {
            FileKind::Crl
        }
        _ => FileKind::Certificate,
    })
}

type DerField<'a> = (Tag, &'a [u8]);

fn fields(der: &[u8]) -> Option<Vec<DerField<'_>>> {
    let mut reader = SliceReader::new(der).ok()?;
    // Trailing bytes are ignored: an editor may have added a line feed.
    values(AnyRef::decode(&mut reader).ok()?.value())
}

fn values(body: &[u8]) -> Option<Vec<DerField<'_>>> {
    let mut reader = SliceReader::new(body).ok()?;
    let mut fields = Vec::new();
    while !reader.is_finished() {
        let field = AnyRef::decode(&mut reader).ok()?;
        fields.push((field.tag(), field.value()));
    }
    Some(fields)
}

/// Explains a file without a certificate, with the command that converts it.
pub(crate) fn no_certificate(kind: FileKind, is_der: bool) -> String {
    let conversion = match (kind, is_der) {
        (FileKind::Certificate, _) => Some("openssl x509 -inform der -in FILE -out FILE.pem"),
        (FileKind::TrustedCertificate, _) => Some("openssl x509 -in FILE -out FILE.pem"),
        (FileKind::Pkcs7, true) => {
            Some("openssl pkcs7 -inform der -in FILE -print_certs -out FILE.pem")
        }
        (FileKind::Pkcs7, false) => Some("openssl pkcs7 -in FILE -print_certs -out FILE.pem"),
        (FileKind::Pkcs12, _) => Some("openssl pkcs12 -in FILE -nokeys -out FILE.pem"),
        (kind, _) => kind.conversion(),
    };
    explain("there is no certificate in it", kind, is_der, conversion)
}

/// Explains a file without a usable key.
///
/// The text has the command that converts it.
pub(crate) fn no_key(kind: FileKind, is_der: bool) -> String {
    let conversion = match (kind, is_der) {
        (FileKind::Key, _) => Some("openssl pkey -inform der -in FILE -out FILE.pem"),
        (FileKind::EncryptedKey, true) => return encrypted("-inform der "),
        (FileKind::EncryptedKey, false) => return encrypted(""),
        (FileKind::Pkcs12, _) => Some("openssl pkcs12 -in FILE -nocerts -nodes -out FILE.pem"),
        (FileKind::OpenSshKey, _) => Some("ssh-keygen -p -m pem -f FILE (RSA and ECDSA keys)"),
        (kind, _) => kind.conversion(),
    };
    let problem = "there is no private key in it (PKCS#8, PKCS#1 or SEC1)";
    explain(problem, kind, is_der, conversion)
}

fn encrypted(form: &str) -> String {
    format!(
        "it is encrypted, and a key without a passphrase is required; \
         convert it with: openssl pkey {form}-in FILE -out FILE.pem"
    )
}

fn explain(problem: &str, kind: FileKind, is_der: bool, conversion: Option<&str>) -> String {
    let Some(noun) = kind.noun() else {
        return problem.to_owned();
    };
    let form = if is_der {
        " in DER, and PEM is required"
    } else {
        ""
    };
    let conversion = match conversion {
        _ if kind == FileKind::Request => {
            "; use the certificate that the authority issues for it".into()
        }
        Some(conversion) => format!("; convert it with: {conversion}"),
        None => String::new(),
    };
    format!("{problem}: it holds {noun}{form}{conversion}")
}

impl FileKind {
    const fn noun(self) -> Option<&'static str> {
        Some(match self {
            Self::Certificate => "a certificate",
            Self::TrustedCertificate => "a certificate with OpenSSL's trust settings",
            Self::Request => "a certificate request (CSR)",
            Self::Crl => "a CRL",
            Self::Pkcs7 => "a PKCS#7 bundle",
            Self::Pkcs12 => "a PKCS#12 keystore",
            Self::JavaKeystore => "a Java keystore",
            Self::Key => "a private key",
            Self::EncryptedKey => "an encrypted key",
            Self::DsaKey => "a DSA key, which TLS 1.3 does not support",
            Self::OpenSshKey => "a key in OpenSSH's own format",
            Self::PublicKey => "a public key",
            Self::Parameters => "parameters",
            Self::Utf16 => "UTF-16 text",
            Self::Binary => "binary data",
            Self::Empty => "no data",
            Self::Other => return None,
        })
    }

    const fn conversion(self) -> Option<&'static str> {
        Some(match self {
            Self::JavaKeystore => {
                "keytool -importkeystore -srckeystore FILE -destkeystore FILE.p12 \
                 -deststoretype pkcs12, then openssl pkcs12"
            }
            Self::Utf16 => "iconv -f utf-16 -t utf-8 FILE",
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests;
