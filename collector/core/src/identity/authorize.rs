//! Whether a certificate vouches for what a batch claims.
//!
//! In: whom the certificate of the connection names, a checked batch, what is known of the proxy, now. Out: nothing, or a
//! [`Rejection`]. Always holds: a batch that passes is from the namespace and service account that it claims, and not in
//! the name of a proxy that somebody else's certificate held lately.
//!
//! What a certificate does not prove: workload, version, labels and addresses. They are claims within one service account.

use super::spiffe::Principal;
use crate::batch::{Batch, Identity};
use crate::intake::reject::Rejection;

/// So long after its last batch nobody else gets a proxy's name: a pod that comes back under another service account
/// has to wait, and an impostor cannot slip in between two reports.
const NAME_HELD_US: u64 = 10 * 60 * 1_000_000;

/// Whom a connection is known to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerIdentity {
    /// Nobody asked: no client authorities are set.
    NotRequired,
    /// A certificate was verified, and names nobody of Istio's form or of a trusted domain.
    Unknown,
    /// It names one.
    Certified(Principal),
}

impl PeerIdentity {
    /// The peer of a verified certificate (DER). No `trust_domains` means every one.
    pub fn of(certificate: &[u8], trust_domains: &[String]) -> Self {
        match Principal::of(certificate) {
            Some(it) if trust_domains.is_empty() || trust_domains.contains(&it.trust_domain) => {
                Self::Certified(it)
            }
            _ => Self::Unknown,
        }
    }
}

/// Checks a batch against the peer of its connection. `known`: who the address book says that the proxy is, and when
/// it last reported.
pub fn authorize(
    peer: &PeerIdentity,
    batch: &Batch,
    known: Option<(&Identity, u64)>,
    now_us: u64,
) -> Result<(), Rejection> {
    let principal = match peer {
        PeerIdentity::NotRequired => return Ok(()),
        PeerIdentity::Unknown => {
            let text = "the certificate names no workload: a SPIFFE id of a trusted domain is asked for";
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
    match known {
        Some((identity, last_us)) if last_us.saturating_add(NAME_HELD_US) > now_us => {
            agree(principal, &identity.namespace, &identity.service_account, "is known as")
        }
        _ => Ok(()),
    }
}

fn agree(principal: &Principal, namespace: &str, account: &str, verb: &str) -> Result<(), Rejection> {
    if (namespace, account) == (&*principal.namespace, &*principal.service_account) {
        return Ok(());
    }
    let claim = format!("namespace {namespace:?}, service account {account:?}");
    Err(Rejection::IdentityMismatch(format!("the proxy {verb} {claim}, and the certificate is {principal}")))
}

/// The namespace in `kind~address~pod.namespace~domain`.
fn namespace_of(proxy: &str) -> Option<&str> {
    let mut parts = proxy.split('~');
    let pod = parts.nth(2)?;
    parts.next()?;
    Some(pod.rsplit_once('.')?.1)
}

#[cfg(test)]
mod tests {
    use super::{NAME_HELD_US, PeerIdentity, Principal, authorize};
    use crate::batch::{Batch, Edges, EpochId, Identity, Totals};

    const PAY: &str = "sidecar~10.0.0.1~pay-7d9c.shop~shop.svc.cluster.local";

    fn identity(claim: &str) -> Identity {
        let (namespace, account) = claim.split_once('/').unwrap();
        Identity { namespace: namespace.into(), service_account: account.into(), ..Identity::default() }
    }

    /// The certificate's `namespace/account` (`-` for nobody), the claim and what is known of the proxy, likewise.
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
            sequence: 1,
            identity: (!claim.is_empty()).then(|| identity(claim)),
            totals: Totals::default(),
            edges: Edges::default(),
            attempt: 1,
            details: crate::batch::Details::default(),
            outcomes: Vec::new(),
            records: Vec::new(),
            folds: Vec::new(),
            open: Vec::new(),
            connections: crate::batch::Connections::default(),
            streams: Vec::new(),
            messages: Vec::new(),
        };
        let known = (!known.is_empty()).then(|| identity(known));
        let known = known.as_ref().map(|identity| (identity, 1_000));
        assert_eq!(authorize(&PeerIdentity::NotRequired, &batch, known, 2_000), Ok(()), "nobody asked");
        let text = match authorize(&peer, &batch, known, 2_000) {
            Ok(()) => "fine".to_owned(),
            Err(refusal) => format!("{}: {refusal}", refusal.label()),
        };
        assert_eq!(text, expected);
        if known.is_some() && claim == certificate {
            assert_eq!(authorize(&peer, &batch, known, 1_000 + NAME_HELD_US), Ok(()), "given up");
        }
    }

    #[test]
    fn one_reports_for_oneself() {
        check("shop/pay", PAY, "shop/pay", "", "fine");
        check("shop/pay", PAY, "", "shop/pay", "fine");
        check("shop/pay", "edge-1", "shop/pay", "", "fine");
        check("shop/pay", PAY, "", "", "fine");
    }

    #[test]
    fn and_for_nobody_else() {
        let no_workload = "identity_mismatch: the certificate names no workload: a SPIFFE id of a trusted domain is asked for";
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
