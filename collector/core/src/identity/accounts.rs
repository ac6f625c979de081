//! The service accounts of the mesh, and who runs under each.
//!
//! In: identities of proxies, and the time. Out: the proxies that a certificate may be of. Always holds: an account is new
//! for a while after its first proxy came, since others of it may not have said yet who they are; an account without proxies
//! is none.

use crate::batch::{Identity, Text};
use crate::snapshot::codec::snapshot;
use std::collections::{BTreeSet, HashMap};

/// A namespace and a service account in it.
type Account = (Text, Text);

/// All accounts that proxies run under.
#[derive(Debug, Clone, Default)]
pub(super) struct Accounts {
    proxies: HashMap<Account, BTreeSet<Text>>,
    /// Those that are new, and since when. After a start from a checkpoint none is.
    new: HashMap<Account, u64>,
}

snapshot!(state Accounts { proxies } skip { new });

impl Accounts {
    /// A proxy runs under the account of this identity, and `before` under that of another one.
    pub(super) fn add(&mut self, proxy: &Text, identity: &Identity, before: Option<&Identity>, now_us: u64) {
        let account = account_of(identity);
        if !self.proxies.contains_key(&account) {
            self.new.insert(account.clone(), now_us);
        }
        if let Some(before) = before.filter(|before| account_of(before) != account) {
            self.remove(proxy, before);
        }
        self.proxies.entry(account).or_default().insert(proxy.clone());
    }

    /// A proxy is gone.
    pub(super) fn remove(&mut self, proxy: &Text, identity: &Identity) {
        let account = account_of(identity);
        if let Some(proxies) = self.proxies.get_mut(&account) {
            proxies.remove(proxy);
            if proxies.is_empty() {
                self.proxies.remove(&account);
                self.new.remove(&account);
            }
        }
    }

    /// Accounts that came up to `until_us` are not new any more; whether there are some that were.
    pub(super) fn end_learning(&mut self, until_us: u64) -> bool {
        let new = self.new.len();
        self.new.retain(|_, since_us| *since_us > until_us);
        self.new.len() < new
    }

    /// The proxies that present this SPIFFE id, and whether their account is new.
    pub(super) fn of(&self, principal: &str) -> Option<(&BTreeSet<Text>, bool)> {
        let (namespace, account) = spiffe(principal)?;
        let account = (namespace.into(), account.into());
        Some((self.proxies.get(&account)?, self.new.contains_key(&account)))
    }
}

fn account_of(identity: &Identity) -> Account {
    (identity.namespace.clone(), identity.service_account.clone())
}

/// Namespace and service account of `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`.
pub(super) fn spiffe(principal: &str) -> Option<(&str, &str)> {
    let (_, path) = principal.strip_prefix("spiffe://")?.split_once('/')?;
    path.strip_prefix("ns/")?.split_once("/sa/")
}

/// Whether a certificate may be that of `who`; an absent one says nothing.
pub(super) fn may_present(principal: &str, identity: &Identity) -> bool {
    spiffe(principal).is_none_or(|(namespace, account)| {
        identity.service_account.is_empty()
            || (namespace == &*identity.namespace && account == &*identity.service_account)
    })
}

#[cfg(test)]
mod tests {
    use super::Accounts;
    use crate::batch::Identity;

    /// Steps in: `a joins x at 5`, `a leaves x` (proxy and account), `old 9`; who presents the ids of x and y, out.
    #[track_caller]
    fn check(steps: &str, expected: &str) {
        let identity = |account: &str| Identity {
            namespace: "ns".into(),
            service_account: account.into(),
            ..Identity::default()
        };
        let mut accounts = Accounts::default();
        let mut under = std::collections::HashMap::new();
        for step in steps.split(", ") {
            let words: Vec<&str> = step.split(' ').collect();
            match words[1] {
                "joins" => {
                    let before = under.insert(words[0], identity(words[2]));
                    accounts.add(
                        &words[0].into(),
                        &identity(words[2]),
                        before.as_ref(),
                        words[4].parse().unwrap(),
                    );
                }
                "leaves" => accounts.remove(&words[0].into(), &identity(words[2])),
                until => assert!(accounts.end_learning(until.parse().unwrap())),
            }
        }
        let of = |account: &str| {
            let (proxies, new) = accounts.of(&format!("spiffe://mesh/ns/ns/sa/{account}"))?;
            let proxies: Vec<&str> = proxies.iter().map(|proxy| &**proxy).collect();
            Some(format!("{account}: {}{}", proxies.join(" "), if new { ", new" } else { "" }))
        };
        let text: Vec<String> = ["x", "y"].into_iter().filter_map(of).collect();
        assert_eq!(text.join("; "), expected);
    }

    #[test]
    fn an_account_is_new_when_its_first_proxy_comes() {
        check("a joins x at 5", "x: a, new");
        check("a joins x at 5, old 5", "x: a");
        check("a joins x at 5, old 5, b joins x at 6", "x: a b");
        check("a joins x at 5, b joins y at 6, old 5", "x: a; y: b, new");
        check("a joins x at 5, old 5, a joins x at 7", "x: a");
        check("a joins x at 5, old 5, a leaves x, b joins x at 7", "x: b, new");
    }

    #[test]
    fn an_account_without_proxies_is_none() {
        check("a joins x at 5, a leaves x", "");
        check("a joins x at 5, a joins y at 6", "y: a, new");
        check("a joins x at 5, b joins x at 5, a leaves x", "x: b, new");
    }
}
