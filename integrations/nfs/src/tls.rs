//! TLS on the port of NFS, as amazon-efs-utils expects it: the client may show a certificate that nobody but its
//! own key has signed.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{
        CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
    },
    server::danger::{ClientCertVerified, ClientCertVerifier},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject as _};
use tokio_rustls::TlsAcceptor;

use crate::{
    certificate,
    error::{At as _, Error, Step},
    options::{Certificate, Options},
    quiet::Quiet,
};

/// How a connection that is encrypted begins: a record of the handshake, of any version of TLS. A record mark of
/// RPC with these bytes would announce a fragment of 369 MB that is not the last.
pub(crate) fn is_client_hello(first: &[u8]) -> bool {
    matches!(first, [0x16, 0x03, ..])
}

/// The server's side of TLS.
pub(crate) fn acceptor(options: &Options, quiet: Arc<Quiet>) -> Result<TlsAcceptor, Error> {
    let (path, private_key) = match &options.certificate {
        Certificate::Files {
            certificate,
            private_key,
        } => (certificate.clone(), private_key.clone()),
        Certificate::Own { names } => own(&options.state, names)?,
    };
    let failed = |path: &Path, reason: &dyn std::fmt::Display| Error::Certificate {
        path: path.to_owned(),
        reason: reason.to_string(),
    };
    let chain =
        CertificateDer::pem_file_iter(&path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|error| failed(&path, &error))?;
    let key =
        PrivateKeyDer::from_pem_file(&private_key).map_err(|error| failed(&private_key, &error))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = AnyEfsClient {
        algorithms: provider.signature_verification_algorithms,
        quiet,
    };
    let config = build(provider, verifier, chain, key).map_err(|error| failed(&path, &error))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn build(
    provider: Arc<CryptoProvider>,
    verifier: AnyEfsClient,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_single_cert(chain, key)?;
    // A connection lasts as long as a mount. A session that is resumed would not show its certificate again.
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// Accepts every certificate of amazon-efs-utils whose key the client has. What it says is checked later, by
/// whoever decides about the connection.
#[derive(Debug)]
struct AnyEfsClient {
    algorithms: WebPkiSupportedAlgorithms,
    quiet: Arc<Quiet>,
}

impl ClientCertVerifier for AnyEfsClient {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let now = Duration::from_secs(now.as_secs());
        match certificate::check(end_entity, now, self.algorithms.all) {
            Ok(_) => Ok(ClientCertVerified::assertion()),
            Err(error) => {
                if let Some(unlogged) = self.quiet.may_log() {
                    tracing::info!(%error, unlogged, "the certificate of an NFS client is not accepted");
                }
                let error = match error {
                    certificate::Unacceptable::NotNow => CertificateError::Expired,
                    certificate::Unacceptable::NotSelfSigned => CertificateError::BadSignature,
                    certificate::Unacceptable::NotCertificate => CertificateError::BadEncoding,
                    certificate::Unacceptable::Layout(_) => {
                        CertificateError::ApplicationVerificationFailure
                    }
                };
                Err(error.into())
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// The files of the certificate that this server has made for itself. It is made once and kept, since clients
/// that verify it have a copy.
fn own(state: &Path, names: &[String]) -> Result<(PathBuf, PathBuf), Error> {
    let certificate = state.join("certificate.pem");
    let private_key = state.join("private-key.pem");
    if certificate.exists() && private_key.exists() {
        return Ok((certificate, private_key));
    }
    let names = if names.is_empty() {
        vec!["localhost".to_owned()]
    } else {
        names.to_vec()
    };
    let made = rcgen::generate_simple_self_signed(names);
    let made = made.map_err(|error| Error::Certificate {
        path: certificate.clone(),
        reason: error.to_string(),
    })?;
    // The key first: a certificate without its key is made again.
    write(&private_key, 0o600, &made.signing_key.serialize_pem())
        .at(Step::Certificate, &private_key)?;
    write(&certificate, 0o644, &made.cert.pem()).at(Step::Certificate, &certificate)?;
    tracing::info!(path = %certificate.display(), "a certificate for NFS over TLS was made");
    Ok((certificate, private_key))
}

fn write(path: &Path, mode: u32, text: &str) -> io::Result<()> {
    let new = path.with_extension("new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(new, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_keeps_the_certificate_that_it_has_made() {
        let state = tempfile::tempdir().unwrap();
        let options = Options::new(state.path().to_owned());
        acceptor(&options, Arc::new(Quiet::new())).unwrap();
        let made = fs::read(state.path().join("certificate.pem")).unwrap();
        acceptor(&options, Arc::new(Quiet::new())).unwrap();
        assert_eq!(
            fs::read(state.path().join("certificate.pem")).unwrap(),
            made
        );
        let key = fs::metadata(state.path().join("private-key.pem")).unwrap();
        assert_eq!(std::os::unix::fs::MetadataExt::mode(&key) & 0o777, 0o600);
    }

    #[test]
    fn certificates_of_strangers_do_not_fill_the_log() {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let quiet = Arc::new(Quiet::new());
        let verifier = AnyEfsClient {
            algorithms: provider.signature_verification_algorithms,
            quiet: Arc::clone(&quiet),
        };
        for _ in 0..1000 {
            let certificate = CertificateDer::from(vec![0; 40]);
            let refused = verifier.verify_client_cert(&certificate, &[], UnixTime::now());
            refused.unwrap_err();
        }
        let unlogged = std::iter::repeat_with(|| quiet.may_log()).flatten().next();
        assert!(unlogged.unwrap() > 0);
    }

    #[test]
    fn a_certificate_that_cannot_be_used_is_named() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join("x.pem");
        fs::write(&path, "nothing").unwrap();
        let mut options = Options::new(state.path().to_owned());
        options.certificate = Certificate::Files {
            certificate: path.clone(),
            private_key: path.clone(),
        };
        let error = acceptor(&options, Arc::new(Quiet::new()))
            .err()
            .unwrap()
            .to_string();
        let said = format!("the certificate `{}` cannot be used: ", path.display());
        assert!(error.starts_with(&said), "{error}");
    }

    #[test]
    fn a_record_mark_is_no_client_hello() {
        assert!(is_client_hello(&[0x16, 0x03, 0x01]));
        assert!(!is_client_hello(&crate::record::mark(40, true)));
        assert!(!is_client_hello(&crate::record::mark(40, false)));
    }
}
