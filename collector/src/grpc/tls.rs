//! TLS from files that change under us.
//!
//! In: certificate, key and client authorities as PEM files, and a look at them now and then. Out: a TLS acceptor with what
//! they held last. Always holds: what is in use was loaded as a whole, and the key fits the certificate; files that
//! do not fit together (a rotation half done) change nothing; a change touches no open connection.
//!
//! The contents are compared, not times or inodes: Kubernetes swaps a symbolic link to a folder, Istio's agent renames
//! files, and both look alike from here.

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

/// No chain and no bundle of authorities is larger.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Why TLS could not be set up. The text fits "failed to set up TLS: …".
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file is no PEM, or holds nothing of use.
    #[error("{} holds no {what}", path.display())]
    Empty {
        /// Which.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
    },
    /// An authority is none.
    #[error("{} holds something that is no authority", path.display())]
    Authority {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        source: rustls::Error,
    },
    /// No client could be verified.
    #[error("the client authorities are of no use")]
    Verifier(#[from] VerifierBuilderError),
    /// Certificate and key do not fit together, or are of no use.
    #[error("the certificate and its key are of no use")]
    Certificate(#[from] rustls::Error),
}

/// The three files.
#[derive(Debug, Clone)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
    client_authorities: Option<PathBuf>,
}

/// What they hold.
#[derive(PartialEq, Eq)]
struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_authorities: Option<Vec<u8>>,
}

/// What is in use.
struct InUse {
    contents: Contents,
    config: Arc<ServerConfig>,
    ends_s: u64,
}

/// The door's side of TLS.
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

    /// EngineReader at the files; `true` when something else is in use now.
    pub(super) fn refresh(&self) -> Result<bool, Error> {
        let contents = self.files.read()?;
        if contents == self.in_use.read().unwrap_or_else(PoisonError::into_inner).contents {
            return Ok(false);
        }
        let new = contents.set_up(&self.files)?;
        *self.in_use.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(true)
    }

    /// For the next connection.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        self.in_use.read().unwrap_or_else(PoisonError::into_inner).config.clone().into()
    }

    /// Whether clients have to present a certificate.
    pub(super) fn asks_clients(&self) -> bool {
        self.files.client_authorities.is_some()
    }

    /// When the certificate in use ends, seconds since the Unix epoch.
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
