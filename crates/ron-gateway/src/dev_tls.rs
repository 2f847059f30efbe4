//! `--dev-tls`: a certificate in memory, for experiments.

use ron_transport::tls::dev::DevCertificate;
use ron_transport::tls::ServerTls;
use ron_transport::{Backend, Config};

use crate::exit::ExitFailure;
use crate::term;

/// Creates the certificate and prints how to trust it.
pub(crate) fn make(config: &Config) -> Result<ServerTls, ExitFailure> {
    let backend = config.general.backend();
    if backend != Backend::Tls {
        let what = format!("--dev-tls needs backend tls, and backend is {backend}");
        return Err(ExitFailure::Config(what));
    }
    if config.tls.cert_path().is_some() {
        let what = "--dev-tls creates its own certificate: remove tls.cert_path and tls.key_path";
        return Err(ExitFailure::Config(what.to_owned()));
    }
    let dev = DevCertificate::new("ron-gateway development authority")
        .map_err(|error| ExitFailure::runtime("cannot create a certificate", &error))?;
    term::err_line(format_args!("{}", advice(&dev)));
    dev.server_tls(&config.tls, config.pq.mode())
        .map_err(|error| ExitFailure::runtime("cannot use the created certificate", &error))
}

fn advice(dev: &DevCertificate) -> String {
    format!(
        "--dev-tls: a certificate for localhost, 127.0.0.1 and ::1, valid for 30 days, in memory only\n\
         authority, SHA-256 fingerprint {}\n\
         {}\
         To trust it, write the certificate above to dev-ca.pem:\n  \
         curl --cacert dev-ca.pem https://localhost:9444/\n  \
         openssl s_client -CAfile dev-ca.pem -verify_return_error -connect localhost:9444\n  \
         ron-gateway dial tls://localhost:9444 --transport.tls-client.trust-store path \
         --transport.tls-client.ca-bundle-path dev-ca.pem",
        dev.fingerprint(),
        dev.authority_pem(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_has_certificate_and_no_key() {
        let dev = DevCertificate::new("test").unwrap();
        let text = advice(&dev);
        assert!(
            text.contains(dev.authority_pem()) && text.contains(&dev.fingerprint()),
            "{text}"
        );
        assert!(!text.contains("PRIVATE"), "{text}");
    }
}
