//! Certificate authority of a test, its certificates, and a client that uses them.

use super::harness::Collector;
use hyper_util::rt::TokioIo;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::codegen::http::Uri;
use tonic::codegen::{BoxFuture, Service};
use tonic::transport::{Channel, Endpoint};

pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// Certificate and key, as PEM.
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// Issues a certificate for a DNS name, or for a URI that begins with `spiffe:`.
    pub(crate) fn issue(&self, name: &str) -> Pair {
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        let name = if name.starts_with("spiffe:") {
            SanType::URI(name.try_into().unwrap())
        } else {
            SanType::DnsName(name.try_into().unwrap())
        };
        parameters.subject_alt_names = vec![name];
        parameters.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.0).unwrap().pem();
        Pair { certificate, key: key.serialize_pem() }
    }

    /// Writes the files of a server: certificate, key, and the authority of its clients.
    pub(crate) fn install(&self, directory: &Path) {
        std::fs::create_dir_all(directory).unwrap();
        let pair = self.issue("collector");
        std::fs::write(directory.join("tls.crt"), pair.certificate).unwrap();
        std::fs::write(directory.join("tls.key"), pair.key).unwrap();
        std::fs::write(directory.join("ca.crt"), self.pem()).unwrap();
    }
}

/// Options for installed files.
pub(crate) fn options(directory: &Path) -> Vec<String> {
    let file = |name: &str| directory.join(name).to_str().unwrap().to_owned();
    let options =
        ["--tls-cert", &file("tls.crt"), "--tls-key", &file("tls.key"), "--tls-client-ca", &file("ca.crt")];
    options.into_iter().map(str::to_owned).collect()
}

/// TLS client that trusts one authority.
pub(crate) struct Dial {
    address: SocketAddr,
    config: Arc<ClientConfig>,
}

impl Dial {
    pub(crate) fn new(collector: &Collector, authority: &Authority, pair: Option<&Pair>) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match pair {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let certificate = CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap();
                let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![certificate], key).unwrap()
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Self { address: collector.grpc, config: Arc::new(config) }
    }

    pub(crate) async fn connect(self) -> Result<Channel, tonic::transport::Error> {
        Endpoint::from_static("http://collector").connect_with_connector(self).await
    }
}

impl Service<Uri> for Dial {
    type Response = TokioIo<tokio_rustls::client::TlsStream<TcpStream>>;
    type Error = io::Error;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let (address, config) = (self.address, self.config.clone());
        Box::pin(async move {
            let tcp = TcpStream::connect(address).await?;
            let name = ServerName::try_from("collector").unwrap();
            Ok(TokioIo::new(TlsConnector::from(config).connect(name, tcp).await?))
        })
    }
}
