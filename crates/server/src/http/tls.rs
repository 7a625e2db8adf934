//! TLS by rustls: the hybrid post-quantum key exchange first, TLS 1.2 for older clients.

use std::{fs, io, path::Path, sync::Arc};

use keyward_services::front::TlsDetails;
use rustls::{ServerConfig, ServerConnection};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tokio_rustls::TlsAcceptor;

use crate::config::TlsFiles;

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read as PEM.
    #[error("{} holds no {what} in PEM form", path.display())]
    Pem {
        /// The file.
        path: std::path::PathBuf,
        /// What was looked for.
        what: &'static str,
        /// The reason.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Others can read the private key.
    #[error("others can read the private key {}: run `chmod 600` on it", .0.display())]
    Readable(std::path::PathBuf),
    /// Certificate and key do not go together.
    #[error("the certificate and the private key cannot be used")]
    Unusable(#[source] rustls::Error),
}

/// Reads the files and makes what accepts connections.
///
/// # Errors
/// When a file cannot be read, others can read the key, or the two do not go together.
pub fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, TlsError> {
    let pem = |what, path: &Path| {
        let path = path.to_owned();
        move |source: rustls_pki_types::pem::Error| TlsError::Pem {
            path,
            what,
            source: source.into(),
        }
    };
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(pem("certificate", &files.certificate))?;
    let private = is_private(&files.private_key).map_err(|source| TlsError::Pem {
        path: files.private_key.clone(),
        what: "private key",
        source: source.into(),
    })?;
    if !private {
        return Err(TlsError::Readable(files.private_key.clone()));
    }
    let key = PrivateKeyDer::from_pem_file(&files.private_key)
        .map_err(pem("private key", &files.private_key))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(
        rustls::crypto::aws_lc_rs::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .map_err(TlsError::Unusable)?
    .with_no_client_auth()
    .with_single_cert(chain, key)
    .map_err(TlsError::Unusable)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Whether only the owner (and root) can read the file.
fn is_private(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(fs::metadata(path)?.permissions().mode() & 0o007 == 0)
}

/// What the audit trail says of a connection's TLS.
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
