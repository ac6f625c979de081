//! TLS files of the gRPC server, and their rotation.
//!
//! In: certificate, key and client authorities as PEM files, read again at each interval. Out: a
//! TLS acceptor with their last valid contents. Invariant: the contents in use were read together,
//! and the key matches the certificate; an incomplete rotation changes nothing; open connections
//! are not affected.
//!
//! The contents are compared, not times or inodes: Kubernetes swaps a symbolic link to a directory,
//! and Istio's agent renames files.

use super::settings::Tls as Options;
use hopscope_core::identity::spiffe;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use tokio_rustls::TlsAcceptor;

/// Limit on the bytes of a certificate chain or a bundle of authorities.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Error of TLS. The text fits "failed to set up TLS: …".
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// File.
        path: PathBuf,
        /// Cause.
        source: std::io::Error,
    },
    /// A file is no PEM file, or lacks the expected content.
    #[error("{} holds no {what}", path.display())]
    Empty {
        /// File.
        path: PathBuf,
        /// Expected content.
        what: &'static str,
    },
    /// A certificate is no authority.
    #[error("{} holds a certificate that is no authority", path.display())]
    Authority {
        /// File.
        path: PathBuf,
        /// Cause.
        source: rustls::Error,
    },
    /// The authorities of clients are invalid.
    #[error("the client authorities are invalid")]
    Verifier(#[from] VerifierBuilderError),
    /// The thread of the handshakes cannot be started.
    #[error("the thread of the TLS handshakes cannot be started")]
    Thread(#[source] std::io::Error),
    /// Certificate and key do not match, or are invalid.
    #[error("the certificate and its key are invalid or do not match")]
    Certificate(#[from] rustls::Error),
}

/// Paths of the files.
#[derive(Debug, Clone)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
    client_authorities: Option<PathBuf>,
}

/// Contents of the files.
#[derive(PartialEq, Eq)]
struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_authorities: Option<Vec<u8>>,
}

/// Configuration in use.
struct InUse {
    contents: Contents,
    config: Arc<ServerConfig>,
    ends_s: u64,
}

/// TLS configuration of the gRPC server.
pub(super) struct Tls {
    files: Files,
    in_use: RwLock<InUse>,
}

impl Tls {
    /// Loads the files, if there are any.
    pub(super) fn load(options: &Options) -> Result<Option<Self>, Error> {
        let (Some(certificate), Some(key)) = (&options.cert, &options.key) else { return Ok(None) };
        let files = Files {
            certificate: certificate.clone(),
            key: key.clone(),
            client_authorities: options.client_ca.clone(),
        };
        let in_use = files.read()?.set_up(&files)?;
        Ok(Some(Self { files, in_use: RwLock::new(in_use) }))
    }

    /// Reads the files again; returns `true` when their contents have changed and are in use.
    pub(super) fn refresh(&self) -> Result<bool, Error> {
        let contents = self.files.read()?;
        if contents == self.in_use.read().unwrap_or_else(PoisonError::into_inner).contents {
            return Ok(false);
        }
        let new = contents.set_up(&self.files)?;
        *self.in_use.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(true)
    }

    /// Acceptor for the next connection.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        self.in_use.read().unwrap_or_else(PoisonError::into_inner).config.clone().into()
    }

    /// Whether clients must present a certificate.
    pub(super) fn requires_client_certificate(&self) -> bool {
        self.files.client_authorities.is_some()
    }

    /// End of validity of the certificate in use, seconds since the Unix epoch.
    pub(super) fn ends_s(&self) -> u64 {
        self.in_use.read().unwrap_or_else(PoisonError::into_inner).ends_s
    }
}

impl Files {
    fn read(&self) -> Result<Contents, Error> {
        Ok(Contents {
            certificate: read(&self.certificate)?,
            key: read(&self.key)?,
            client_authorities: self.client_authorities.as_deref().map(read).transpose()?,
        })
    }
}

impl Contents {
    fn set_up(self, files: &Files) -> Result<InUse, Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let chain = certificates(&self.certificate, &files.certificate)?;
        let ends_s = chain.first().and_then(|leaf| spiffe::ends_s(leaf)).unwrap_or(0);
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|_| Error::Empty { path: files.key.clone(), what: "private key" })?;
        let builder =
            ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
        let builder = match (&self.client_authorities, &files.client_authorities) {
            (Some(bundle), Some(path)) => {
                let mut roots = RootCertStore::empty();
                for authority in certificates(bundle, path)? {
                    roots.add(authority).map_err(|source| Error::Authority { path: path.clone(), source })?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build()?)
            }
            _ => builder.with_no_client_auth(),
        };
        let mut config = builder.with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(InUse { contents: self, config: Arc::new(config), ends_s })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let mut contents = Vec::new();
    let file = std::fs::File::open(path);
    file.and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut contents))
        .map_err(|source| Error::Read { path: path.to_owned(), source })?;
    Ok(contents)
}

fn certificates(pem: &[u8], path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let empty = || Error::Empty { path: path.to_owned(), what: "certificate" };
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|_| empty())?;
    if found.is_empty() { Err(empty()) } else { Ok(found) }
}
