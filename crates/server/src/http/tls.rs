//! TLS with rustls. The hybrid post-quantum key exchange is preferred; TLS 1.2 is there for older
//! clients.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use keyward_client::certificate::{NotCertificate, Standing, Validity};
use keyward_engine::request::TlsDetails;
use keyward_types::time::Timestamp;
use rustls::{InconsistentKeys, ServerConfig, ServerConnection};
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject as _},
};
use tokio_rustls::TlsAcceptor;

use crate::config::TlsFiles;

/// Why TLS cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The system cannot read a file.
    #[error("`{key}` is `{}`, which cannot be read", path.display())]
    Read {
        /// The key of the configuration.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// A file is not PEM.
    #[error("`{key}` is `{}`, which holds no {what} in PEM form", path.display())]
    Pem {
        /// The key of the configuration.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
        /// The reason.
        #[source]
        source: pem::Error,
    },
    /// The file has no certificate.
    #[error("`tls.certificate` is `{}`, which holds no certificate in PEM form", .0.display())]
    NoCertificate(PathBuf),
    /// The first certificate cannot be read.
    #[error("`tls.certificate` is `{}`: its first certificate cannot be read", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: NotCertificate,
    },
    /// The certificate has expired.
    #[error(
        "`tls.certificate` is `{}`: this certificate expired at {}, and no client would accept it: replace it",
        path.display(),
        until.iso8601()
    )]
    Expired {
        /// The file.
        path: PathBuf,
        /// Its last second.
        until: Timestamp,
    },
    /// The certificate is not valid yet.
    #[error(
        "`tls.certificate` is `{}`: this certificate is not valid before {}: wait, or check this machine's clock",
        path.display(),
        from.iso8601()
    )]
    NotYet {
        /// The file.
        path: PathBuf,
        /// Its first second.
        from: Timestamp,
    },
    /// Others can read the private key.
    #[error(
        "`tls.private_key` is `{path}`, which others can read: run `chmod 600 {path}`",
        path = .0.display()
    )]
    Readable(PathBuf),
    /// The key does not belong to the certificate.
    #[error(
        "`tls.private_key` is `{}`: this is not the key of the certificate `{}`. The certificate must be the first one in its file",
        private_key.display(),
        certificate.display()
    )]
    Mismatched {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        private_key: PathBuf,
    },
    /// TLS cannot be set up with these files.
    #[error("the certificate and the private key cannot be used")]
    Unusable(#[source] rustls::Error),
}

impl TlsError {
    /// Why the file that a configuration key names cannot be used.
    fn of(error: pem::Error, key: &'static str, path: &Path, what: &'static str) -> Self {
        let path = path.to_owned();
        match error {
            pem::Error::Io(source) => Self::Read { key, path, source },
            source => Self::Pem {
                key,
                path,
                what,
                source,
            },
        }
    }
}

/// Reads the files and creates the acceptor for connections.
///
/// # Errors
/// When a file cannot be read, others can read the key, the certificate is not valid now, or the two
/// do not belong together.
pub fn acceptor(files: &TlsFiles, now: Timestamp) -> Result<TlsAcceptor, TlsError> {
    let chain = chain(&files.certificate, now)?;
    let key = private_key(&files.private_key)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(
        rustls::crypto::aws_lc_rs::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .map_err(TlsError::Unusable)?
    .with_no_client_auth()
    .with_single_cert(chain, key)
    .map_err(|error| match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => TlsError::Mismatched {
            certificate: files.certificate.clone(),
            private_key: files.private_key.clone(),
        },
        other => TlsError::Unusable(other),
    })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// The certificates in a file. The first one is the server's and must be valid now.
fn chain(path: &Path, now: Timestamp) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| TlsError::of(error, "tls.certificate", path, "certificate"))?;
    let own = chain
        .first()
        .ok_or_else(|| TlsError::NoCertificate(path.to_owned()))?;
    let validity = Validity::of(own).map_err(|source| TlsError::Certificate {
        path: path.to_owned(),
        source,
    })?;
    match validity.at(now) {
        Standing::Valid => Ok(chain),
        Standing::Expired => Err(TlsError::Expired {
            path: path.to_owned(),
            until: validity.until,
        }),
        Standing::NotYet => Err(TlsError::NotYet {
            path: path.to_owned(),
            from: validity.from,
        }),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let refused = |error| TlsError::of(error, "tls.private_key", path, "private key");
    if !is_private(path).map_err(|error| refused(pem::Error::Io(error)))? {
        return Err(TlsError::Readable(path.to_owned()));
    }
    PrivateKeyDer::from_pem_file(path).map_err(refused)
}

/// Whether only the owner (and root) can read the file.
fn is_private(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(fs::metadata(path)?.permissions().mode() & 0o007 == 0)
}

/// What the audit trail shows of a connection's TLS.
pub fn details(connection: &ServerConnection) -> TlsDetails {
    let version = match connection.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
        _ => "TLSv1.2",
    };
    let cipher_suite = connection
        .negotiated_cipher_suite()
        .and_then(|suite| suite.suite().as_str())
        .unwrap_or_default();
    TlsDetails {
        version,
        cipher_suite: cipher_suite.replacen("TLS13_", "TLS_", 1),
    }
}
