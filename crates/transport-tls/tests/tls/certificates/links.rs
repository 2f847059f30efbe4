//! Links of a chain: validity, purpose, path length, signatures, length.

use rcgen::{
    date_time_ymd, BasicConstraints, CertificateParams, CustomExtension, ExtendedKeyUsagePurpose,
    IsCa,
};

use super::{case, judge, Kind};
use crate::raw_certificates::{dns, Ca};

const ALLOWED: Option<Kind> = None;
const EXPIRED: Option<Kind> = Some(Kind::Expired);
const EARLY: Option<Kind> = Some(Kind::NotYetValid);
const PURPOSE: Option<Kind> = Some(Kind::WrongPurpose);
const BAD: Option<Kind> = Some(Kind::BadCertificate);
const STRANGER: Option<Kind> = Some(Kind::UnknownCa);

fn expired(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2021, 1, 1);
}

fn early(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(4000, 1, 1);
    params.not_after = date_time_ymd(4001, 1, 1);
}

fn purpose(purpose: ExtendedKeyUsagePurpose) -> impl Fn(&mut CertificateParams) {
    move |params| params.extended_key_usages = vec![purpose.clone()]
}

fn path_len(len: u8) -> impl Fn(&mut CertificateParams) {
    move |params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(len))
}

fn unknown_extension(critical: bool) -> impl Fn(&mut CertificateParams) {
    move |params| {
        let mut extension = CustomExtension::from_oid_content(&[1, 2, 3, 4, 5], vec![5, 0]);
        extension.set_criticality(critical);
        params.custom_extensions.push(extension);
    }
}

#[tokio::test]
async fn every_link_is_verified() {
    let root = Ca::root();
    let admin = [dns("admin.example")];
    let leaf = |tune: &dyn Fn(&mut CertificateParams)| root.leaf_with(&admin, tune);
    let below = |tune: &dyn Fn(&mut CertificateParams)| root.below(tune).leaf(&admin);
    let server = purpose(ExtendedKeyUsagePurpose::ServerAuth);
    let client = purpose(ExtendedKeyUsagePurpose::ClientAuth);
    let no_ca = |params: &mut CertificateParams| params.is_ca = IsCa::ExplicitNoCa;
    let unsaid = |params: &mut CertificateParams| params.is_ca = IsCa::NoCa;
    let short = root.below(path_len(0));
    let cases = vec![
        case("direct", root.leaf(&admin), ALLOWED),
        case("one intermediate", below(&|_| {}), ALLOWED),
        case("expired leaf", leaf(&expired), EXPIRED),
        case("early leaf", leaf(&early), EARLY),
        case("expired intermediate", below(&expired), EXPIRED),
        case("early intermediate", below(&early), EARLY),
        case("leaf for servers", leaf(&server), PURPOSE),
        case("leaf for clients", leaf(&client), ALLOWED),
        case("intermediate for servers", below(&server), PURPOSE),
        case("intermediate for clients", below(&client), ALLOWED),
        case("issuer that is no authority", below(&no_ca), BAD),
        case("issuer without basic constraints", below(&unsaid), BAD),
        case("path length 0, leaf below", short.leaf(&admin), ALLOWED),
        case(
            "path length 0, authority below",
            short.below(|_| {}).leaf(&admin),
            BAD,
        ),
        case(
            "unknown critical extension",
            leaf(&unknown_extension(true)),
            BAD,
        ),
        case(
            "unknown extension",
            leaf(&unknown_extension(false)),
            ALLOWED,
        ),
        case(
            "critical in the intermediate",
            below(&unknown_extension(true)),
            BAD,
        ),
        case("another root", Ca::root().leaf(&admin), STRANGER),
        case(
            "below another root",
            Ca::root().below(|_| {}).leaf(&admin),
            STRANGER,
        ),
    ];
    judge(&root, cases).await;
}

/// webpki verifies up to six certificates between leaf and root.
///
/// OpenSSL verifies up to 100.
#[tokio::test]
async fn chain_length_is_limited() {
    let root = Ca::root();
    let admin = [dns("admin.example")];
    let chain = |len: usize| {
        let first = root.below(|_| {});
        (1..len).fold(first, |above, _| above.below(|_| {}))
    };
    let cases = vec![
        case("six intermediates", chain(6).leaf(&admin), ALLOWED),
        case("seven intermediates", chain(7).leaf(&admin), BAD),
        case("twelve intermediates", chain(12).leaf(&admin), BAD),
    ];
    judge(&root, cases).await;
}

#[tokio::test]
async fn forged_link_is_refused() {
    let root = Ca::root();
    let real = root.below(|_| {});
    // The names of the real authority with another key.
    let forged = Ca::root().below(|params| params.distinguished_name = real.name());
    let mut leaf = forged.leaf(&[dns("admin.example")]);
    let own = leaf
        .cert
        .split_inclusive("-----END CERTIFICATE-----\n")
        .next();
    leaf.cert = own.unwrap().to_owned() + &real.pem();
    judge(&root, vec![case("signed by another key", leaf, BAD)]).await;
}
