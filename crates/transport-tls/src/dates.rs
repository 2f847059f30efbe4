//! Dates of certificates and CRLs, read without parsing the rest.
//!
//! Every handshake reads `notAfter` of every certificate of a chain. A full parse would cost as much
//! as the rest of this crate's work for a handshake.

use x509_cert::der::{Decode, Header, Reader, SliceReader, Tag};
use x509_cert::time::Time;

/// Seconds since 1970.
pub(crate) type Seconds = u64;

/// The dates of a CRL (RFC 5280 §5.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CrlDates {
    pub(crate) this_update: Seconds,
    pub(crate) next_update: Seconds,
}

/// Returns `notAfter` (RFC 5280 §4.1.2.5); `None` if it cannot be read.
pub(crate) fn not_after(certificate: &[u8]) -> Option<Seconds> {
    let mut tbs = to_be_signed(certificate)?;
    if matches!(tbs.peek_tag().ok()?, Tag::ContextSpecific { .. }) {
        skip(&mut tbs)?; // version
    }
    for _ in 0..3 {
        skip(&mut tbs)?; // serial number, signature algorithm, issuer
    }
    let mut validity = enter(&mut tbs)?;
    skip(&mut validity)?; // notBefore
    time(&mut validity)
}

/// Returns the earliest `notAfter` of a chain.
///
/// `None` if one cannot be read.
pub(crate) fn earliest_end<C: AsRef<[u8]>>(chain: impl IntoIterator<Item = C>) -> Option<Seconds> {
    let mut ends = chain.into_iter().map(|one| not_after(one.as_ref()));
    ends.try_fold(Seconds::MAX, |earliest, end| Some(earliest.min(end?)))
}

/// Returns the dates of a CRL; `None` if they cannot be read.
pub(crate) fn crl_dates(crl: &[u8]) -> Option<CrlDates> {
    let mut tbs = to_be_signed(crl)?;
    if tbs.peek_tag().ok()? == Tag::Integer {
        skip(&mut tbs)?; // version
    }
    skip(&mut tbs)?; // signature algorithm
    skip(&mut tbs)?; // issuer
    Some(CrlDates {
        this_update: time(&mut tbs)?,
        next_update: time(&mut tbs)?,
    })
}

/// Returns the content of the first sequence within a sequence.
fn to_be_signed(der: &[u8]) -> Option<SliceReader<'_>> {
    let mut outer = SliceReader::new(der).ok()?;
    enter(&mut enter(&mut outer)?)
}

/// Returns the content of the next sequence.
///
/// Leaves the reader behind the sequence.
fn enter<'a>(reader: &mut SliceReader<'a>) -> Option<SliceReader<'a>> {
    let header = Header::decode(reader).ok()?;
    header.tag.assert_eq(Tag::Sequence).ok()?;
    SliceReader::new(reader.read_slice(header.length).ok()?).ok()
}

fn skip(reader: &mut SliceReader<'_>) -> Option<()> {
    reader.tlv_bytes().ok().map(drop)
}

fn time(reader: &mut SliceReader<'_>) -> Option<Seconds> {
    Time::decode(reader)
        .ok()
        .map(|time| time.to_unix_duration().as_secs())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{date_time_ymd, CertificateParams, KeyPair};

    use super::*;

    fn certificate(year: i32) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.not_after = date_time_ymd(year, 1, 2);
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn not_after_in_both_time_formats() {
        // UTCTime until 2049, GeneralizedTime from 2050 (RFC 5280 §4.1.2.5).
        assert_eq!(not_after(&certificate(2031)), Some(1_925_078_400));
        assert_eq!(not_after(&certificate(2051)), Some(2_556_230_400));
    }

    #[test]
    fn earliest_end_of_chain() {
        let (near, far) = (certificate(2031), certificate(2051));
        assert_eq!(earliest_end([&far, &near]), Some(1_925_078_400));
        assert_eq!(earliest_end([&far, &vec![0x30, 0]]), None);
        assert_eq!(earliest_end::<&[u8]>([]), Some(Seconds::MAX));
    }

    proptest! {
        #[test]
        fn broken_certificate_does_not_panic(at in any::<prop::sample::Index>(), to in any::<u8>()) {
            let mut der = certificate(2031);
            let at = at.index(der.len());
            der[at] = to;
            let _ = (not_after(&der), crl_dates(&der));
        }

        #[test]
        fn arbitrary_bytes_do_not_panic(der in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = (not_after(&der), crl_dates(&der));
        }
    }
}
