//! Workload identity in a certificate.
//!
//! In: a verified certificate. Out: a [`Principal`], and the end of the certificate's validity.
//! Invariant: a certificate without a URI, or with several, has no principal.
//!
//! Source: SPIFFE-ID and X.509-SVID (exactly one URI SAN); Istio's form
//! `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`.

use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// SPIFFE id of Istio's form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Trust domain, such as `cluster.local`.
    pub trust_domain: String,
    /// Kubernetes namespace.
    pub namespace: String,
    /// Kubernetes service account.
    pub service_account: String,
}

impl Principal {
    /// Reads a SPIFFE id of Istio's form.
    pub fn parse(id: &str) -> Option<Self> {
        let (trust_domain, path) = id.strip_prefix("spiffe://")?.split_once('/')?;
        let (namespace, service_account) = path.strip_prefix("ns/")?.split_once("/sa/")?;
        let fits = |part: &str| !part.is_empty() && !part.contains('/');
        [trust_domain, namespace, service_account].into_iter().all(fits).then(|| Self {
            trust_domain: trust_domain.into(),
            namespace: namespace.into(),
            service_account: service_account.into(),
        })
    }

    /// Reads the SPIFFE id of a certificate (DER).
    pub fn of(certificate: &[u8]) -> Option<Self> {
        let certificate = Certificate::from_der(certificate).ok()?;
        let extension = certificate.tbs_certificate().get_extension::<SubjectAltName>();
        let (_, SubjectAltName(names)) = extension.ok()??;
        let mut uris = names.iter().filter_map(|name| match name {
            GeneralName::UniformResourceIdentifier(uri) => Some(uri.as_str()),
            _ => None,
        });
        match (uris.next(), uris.next()) {
            (Some(uri), None) => Self::parse(uri),
            _ => None,
        }
    }
}

impl std::fmt::Display for Principal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { trust_domain, namespace, service_account } = self;
        write!(f, "spiffe://{trust_domain}/ns/{namespace}/sa/{service_account}")
    }
}

/// Returns the end of the validity of a certificate (DER), seconds since the Unix epoch.
pub fn ends_s(certificate: &[u8]) -> Option<u64> {
    let certificate = Certificate::from_der(certificate).ok()?;
    Some(certificate.tbs_certificate().validity().not_after.to_unix_duration().as_secs())
}

#[cfg(test)]
mod tests {
    use super::Principal;

    #[track_caller]
    fn check(id: &str, expected: Option<&str>) {
        assert_eq!(Principal::parse(id).map(|principal| principal.to_string()).as_deref(), expected);
    }

    #[test]
    fn only_ids_of_istios_form_are_read() {
        let whole = "spiffe://cluster.local/ns/shop/sa/pay";
        check(whole, Some(whole));
        for id in [
            "",
            "https://cluster.local/ns/shop/sa/pay",
            "spiffe://cluster.local",
            "spiffe://cluster.local/ns/shop",
            "spiffe:///ns/shop/sa/pay",
            "spiffe://cluster.local/ns//sa/pay",
            "spiffe://cluster.local/ns/shop/sa/",
            "spiffe://cluster.local/ns/shop/sa/pay/more",
            "spiffe://cluster.local/ns/shop/more/sa/pay",
        ] {
            check(id, None);
        }
    }

    #[test]
    fn a_certificate_with_exactly_one_uri_has_a_principal() {
        let made = |uris: &[&str]| {
            let mut parameters = rcgen::CertificateParams::new(vec!["a.example".into()]).unwrap();
            for uri in uris {
                parameters.subject_alt_names.push(rcgen::SanType::URI((*uri).try_into().unwrap()));
            }
            let key = rcgen::KeyPair::generate().unwrap();
            Principal::of(parameters.self_signed(&key).unwrap().der())
        };
        let (a, b) = ("spiffe://td/ns/n/sa/a", "spiffe://td/ns/n/sa/b");
        assert_eq!(made(&[a]).map(|it| it.to_string()).as_deref(), Some(a));
        assert_eq!(made(&[]), None);
        assert_eq!(made(&[a, b]), None);
        assert_eq!(Principal::of(b"no certificate"), None);
    }
}
