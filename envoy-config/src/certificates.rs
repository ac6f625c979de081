//! Certificates as Istio's CA issues them: one root, one SPIFFE identity per service account.
//!
//! In: identities. Out: PEM files that an Envoy reads.
//! Invariant: the root exists as long as the folder it is written to, and signs for loopback only.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use serde::Serialize;

/// A certificate authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: PathBuf,
}

/// The files of one identity.
#[derive(Debug, Clone, Serialize)]
pub struct IdentityFiles {
    /// Certificate chain, PEM.
    pub certificate: PathBuf,
    /// Private key, PEM.
    pub key: PathBuf,
    /// Certificate of the authority, PEM.
    pub authority: PathBuf,
}

impl Authority {
    /// Makes a new authority and writes its certificate to `folder`.
    ///
    /// # Errors
    /// When a key cannot be made or the file not written.
    pub fn establish(folder: &Path, trust_domain: &str) -> Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::OrganizationName, trust_domain);
        let key = KeyPair::generate().context("failed to make the authority's key")?;
        let certificate = params.self_signed(&key).context("failed to sign the authority's certificate")?;
        let root = folder.join("root-cert.pem");
        write(&root, &certificate.pem())?;
        Ok(Self { issuer: Issuer::new(params, key), root })
    }

    /// Issues a certificate for a SPIFFE identity, or a DNS name, and writes it to `folder` under
    /// `name`.
    ///
    /// # Errors
    /// When the identity is not ASCII, or a file cannot be written.
    pub fn issue(&self, folder: &Path, name: &str, spiffe_id: &str) -> Result<IdentityFiles> {
        let mut params = CertificateParams::new(Vec::new())?;
        let subject = spiffe_id.try_into()?;
        let uri = spiffe_id.contains("://");
        params.subject_alt_names = vec![if uri { SanType::URI(subject) } else { SanType::DnsName(subject) }];
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().with_context(|| format!("failed to make the key of {spiffe_id}"))?;
        let certificate = params.signed_by(&key, &self.issuer);
        let certificate = certificate.with_context(|| format!("failed to sign for {spiffe_id}"))?;
        let files = IdentityFiles {
            certificate: folder.join(format!("{name}-cert.pem")),
            key: folder.join(format!("{name}-key.pem")),
            authority: self.root.clone(),
        };
        write(&files.certificate, &certificate.pem())?;
        write(&files.key, &key.serialize_pem())?;
        Ok(files)
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("failed to write {}", path.display()))
}
