//! Which servers Keyward's own clients trust: those with a certificate of an authority that the
//! system trusts or that is in a file, and those whose certificate itself is in the file. So a
//! self-signed certificate works as it is, even one that is marked as an authority's, as `openssl
//! req -x509` creates it.

use std::{path::Path, sync::Arc};

use anyhow::{Context as _, bail};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::aws_lc_rs,
    server::ParsedCertificate,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _};

use crate::certificate::{Standing, Validity, from_unix};

/// Trusts what the system trusts, and also the certificates in a file. `named` is the setting that
/// named the file, for messages.
///
/// # Errors
/// If the file cannot be read or has no certificate.
pub fn client_config(file: Option<(&str, &Path)>) -> anyhow::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    for error in &system.errors {
        tracing::warn!(%error, "the system's certificates cannot be read");
    }
    roots.add_parsable_certificates(system.certs);
    let mut known = Vec::new();
    if let Some((named, path)) = file {
        let shown = || format!("{named} is `{}`", path.display());
        let certificates = CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .with_context(|| format!("{}: it holds no certificate in PEM form", shown()))?;
        if certificates.is_empty() {
            bail!("{}: it holds no certificate in PEM form", shown());
        }
        for certificate in certificates {
            roots.add(certificate.clone()).with_context(shown)?;
            known.push(certificate);
        }
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let authorities = if roots.is_empty() {
        None
    } else {
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        Some(verifier.build()?)
    };
    let verifier = Verifier {
        authorities,
        known,
        schemes: provider.signature_verification_algorithms,
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Verifies a server's certificate.
#[derive(Debug)]
struct Verifier {
    /// Verifies by authorities; `None` if no authority is trusted.
    authorities: Option<Arc<WebPkiServerVerifier>>,
    /// The certificates of the file.
    known: Vec<CertificateDer<'static>>,
    schemes: rustls::crypto::WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.known.iter().any(|known| known == end_entity) {
            let validity = Validity::of(end_entity).map_err(|_| CertificateError::BadEncoding)?;
            match validity.at(from_unix(now)) {
                Standing::Valid => {}
                Standing::NotYet => return Err(CertificateError::NotValidYet.into()),
                Standing::Expired => return Err(CertificateError::Expired.into()),
            }
            verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
            return Ok(ServerCertVerified::assertion());
        }
        match &self.authorities {
            Some(verifier) => verifier.verify_server_cert(
                end_entity,
                intermediates,
                server_name,
                ocsp_response,
                now,
            ),
            None => Err(CertificateError::UnknownIssuer.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.schemes)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.schemes)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.supported_schemes()
    }
}

/// Why a TLS connection failed, in a sentence that says what to do.
pub fn failure(host: &str, error: &std::io::Error) -> String {
    let cause = error
        .get_ref()
        .and_then(|cause| cause.downcast_ref::<rustls::Error>());
    match cause {
        Some(rustls::Error::InvalidCertificate(error)) => match error {
            // A certificate that is marked as an authority's, and is not trusted, causes a
            // different error.
            CertificateError::UnknownIssuer | CertificateError::Other(_) => format!(
                "the certificate of {host} is not trusted: give it, or the certificate of the authority that signed it, with --ca-file or AWS_CA_BUNDLE"
            ),
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                format!("the certificate of {host} has expired")
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                format!("the certificate of {host} is not valid yet")
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                format!(
                    "the certificate of {host} is not for this name: give the server by a name that is in its certificate, with --endpoint-url{}",
                    names(error)
                )
            }
            other => format!("the certificate of {host} cannot be verified: {other}"),
        },
        Some(rustls::Error::InvalidMessage(_)) => {
            format!("{host} does not speak TLS: use a URL that begins with http://")
        }
        Some(other) => format!("there is no TLS connection to {host}: {other}"),
        None => format!("there is no TLS connection to {host}: {error}"),
    }
}

/// The names of a certificate, if the error contains them.
fn names(error: &CertificateError) -> String {
    match error {
        CertificateError::NotValidForNameContext { presented, .. } if !presented.is_empty() => {
            let names: Vec<&str> = presented.iter().map(|name| plain(name)).collect();
            format!(" (it is for {})", names.join(", "))
        }
        _ => String::new(),
    }
}

/// The name without its kind, such as `localhost` of `DnsName("localhost")`.
fn plain(name: &str) -> &str {
    let inner = name
        .strip_prefix("DnsName(")
        .or_else(|| name.strip_prefix("IpAddress("))
        .and_then(|rest| rest.strip_suffix(')'));
    inner.unwrap_or(name).trim_matches('"')
}
