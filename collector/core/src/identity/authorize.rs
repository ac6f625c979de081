//! Authorization of batches by the client certificate.
//!
//! In: peer of the connection, a validated batch, the known identity of the proxy, and the time.
//! Out: nothing, or a [`Rejection`]. Invariant: an authorized batch is from the namespace and
//! service account that it claims, or else from those of the identity that it is counted under; its
//! proxy was not recently that of another service account.
//!
//! A certificate proves neither workload nor version, labels and addresses: they are claims within
//! one service account.

use super::spiffe::Principal;
use crate::batch::{Batch, Identity};
use crate::intake::reject::Rejection;

/// Time after the last batch of a proxy during which no other service account may use its name. A
/// pod that restarts under another service account has to wait; an impostor cannot report between
/// two batches. Afterwards another account has to report an identity of its own first.
const NAME_HELD_US: u64 = 10 * 60 * 1_000_000;

/// Identity of the peer of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerIdentity {
    /// No certificate is required: no client authorities are set.
    NotRequired,
    /// The verified certificate has no SPIFFE id of Istio's form in a trusted domain.
    Unknown,
    /// The verified certificate has this SPIFFE id.
    Certified(Principal),
}

impl PeerIdentity {
    /// Reads a verified certificate (DER). Without `trust_domains`, every domain is trusted.
    pub fn of(certificate: &[u8], trust_domains: &[String]) -> Self {
        match Principal::of(certificate) {
            Some(it) if trust_domains.is_empty() || trust_domains.contains(&it.trust_domain) => {
                Self::Certified(it)
            }
            _ => Self::Unknown,
        }
    }
}

/// Authorizes a batch. `known`: identity of its proxy in the address book, and the time of its last
/// report.
pub fn authorize(
    peer: &PeerIdentity,
    batch: &Batch,
    known: Option<(&Identity, u64)>,
    now_us: u64,
) -> Result<(), Rejection> {
    let principal = match peer {
        PeerIdentity::NotRequired => return Ok(()),
        PeerIdentity::Unknown => {
            let text = "the certificate names no workload: a SPIFFE id of a trusted domain is required";
            return Err(Rejection::IdentityMismatch(text.into()));
        }
        PeerIdentity::Certified(principal) => principal,
    };
    if let Some(identity) = &batch.identity {
        agree(principal, &identity.namespace, &identity.service_account, "claims")?;
    }
    if let Some(namespace) = namespace_of(&batch.epoch_id.proxy)
        && namespace != principal.namespace
    {
        let text =
            format!("the proxy's name is of namespace {namespace}, and the certificate is {principal}");
        return Err(Rejection::IdentityMismatch(text));
    }
    let Some((identity, last_us)) = known else { return Ok(()) };
    // A batch without an identity is counted under the known one, however old that is.
    if batch.identity.is_some() && last_us.saturating_add(NAME_HELD_US) <= now_us {
        return Ok(());
    }
    agree(principal, &identity.namespace, &identity.service_account, "is known as")
}

fn agree(principal: &Principal, namespace: &str, account: &str, verb: &str) -> Result<(), Rejection> {
    if (namespace, account) == (&*principal.namespace, &*principal.service_account) {
        return Ok(());
    }
    let claim = format!("namespace {namespace:?}, service account {account:?}");
    Err(Rejection::IdentityMismatch(format!("the proxy {verb} {claim}, and the certificate is {principal}")))
}

/// Returns the namespace in `kind~address~pod.namespace~domain`.
fn namespace_of(proxy: &str) -> Option<&str> {
    let mut parts = proxy.split('~');
    let pod = parts.nth(2)?;
    parts.next()?;
    Some(pod.rsplit_once('.')?.1)
}

#[cfg(test)]
mod tests {
    use super::{NAME_HELD_US, PeerIdentity, Principal, authorize};
    use crate::batch::{Batch, EpochId, Identity};

    const PAY: &str = "sidecar~10.0.0.1~pay-7d9c.shop~shop.svc.cluster.local";

    fn identity(claim: &str) -> Identity {
        let (namespace, account) = claim.split_once('/').unwrap();
        Identity { namespace: namespace.into(), service_account: account.into(), ..Identity::default() }
    }

    /// Checks a batch. `certificate`, `claim`, `known`: `namespace/account` of the certificate (`-`
    /// if it has none), of the batch, and in the address book.
    #[track_caller]
    fn check(certificate: &str, proxy: &str, claim: &str, known: &str, expected: &str) {
        let peer = match certificate.split_once('/') {
            None => PeerIdentity::Unknown,
            Some((namespace, account)) => PeerIdentity::Certified(Principal {
                trust_domain: "td".into(),
                namespace: namespace.into(),
                service_account: account.into(),
            }),
        };
        let batch = Batch {
            epoch_id: EpochId { proxy: proxy.into(), epoch: 1 },
            identity: (!claim.is_empty()).then(|| identity(claim)),
            ..Batch::example()
        };
        let known = (!known.is_empty()).then(|| identity(known));
        let known = known.as_ref().map(|identity| (identity, 1_000));
        assert_eq!(
            authorize(&PeerIdentity::NotRequired, &batch, known, 2_000),
            Ok(()),
            "no certificate is required"
        );
        let text = match authorize(&peer, &batch, known, 2_000) {
            Ok(()) => "fine".to_owned(),
            Err(refusal) => format!("{}: {refusal}", refusal.label()),
        };
        assert_eq!(text, expected);
        if known.is_some() && text != "fine" {
            let later = authorize(&peer, &batch, known, 1_000 + NAME_HELD_US);
            assert_eq!(later.is_ok(), claim == certificate, "a new identity only may use a free name");
        }
    }

    #[test]
    fn a_proxy_reports_under_its_own_account() {
        check("shop/pay", PAY, "shop/pay", "", "fine");
        check("shop/pay", PAY, "", "shop/pay", "fine");
        check("shop/pay", "edge-1", "shop/pay", "", "fine");
        check("shop/pay", PAY, "", "", "fine");
    }

    #[test]
    fn a_batch_of_another_account_is_rejected() {
        let no_workload = "identity_mismatch: the certificate names no workload: a SPIFFE id of a trusted domain is required";
        check("-", PAY, "shop/pay", "", no_workload);
        let other = "identity_mismatch: the proxy claims namespace \"shop\", service account \"web\", and the certificate is \
                     spiffe://td/ns/shop/sa/pay";
        check("shop/pay", PAY, "shop/web", "", other);
        let silent = "identity_mismatch: the proxy claims namespace \"\", service account \"\", and the certificate is \
                      spiffe://td/ns/shop/sa/pay";
        check("shop/pay", PAY, "/", "", silent);
        let name = "identity_mismatch: the proxy's name is of namespace shop, and the certificate is spiffe://td/ns/bank/sa/pay";
        check("bank/pay", PAY, "bank/pay", "", name);
        check("bank/pay", PAY, "", "", name);
        let held = "identity_mismatch: the proxy is known as namespace \"shop\", service account \"pay\", and the certificate \
                    is spiffe://td/ns/shop/sa/web";
        check("shop/web", PAY, "shop/web", "shop/pay", held);
        check("shop/web", PAY, "", "shop/pay", held);
    }
}
