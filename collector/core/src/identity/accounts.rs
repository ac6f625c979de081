//! Service accounts of the mesh, with the proxies of each.
//!
//! In: identities of proxies, and the time. Out: the proxies that may have presented a certificate.
//! Invariant: an account is new until `account_learning_s` after its first proxy appeared, because
//! other proxies of the account may not have reported yet; an account without proxies is removed.

use crate::batch::{Identity, Text};
use crate::snapshot::codec::snapshot;
use std::collections::{BTreeSet, HashMap};

/// A namespace and a service account in it.
type Account = (Text, Text);

/// Service accounts by namespace and name.
#[derive(Debug, Clone, Default)]
pub(super) struct Accounts {
    proxies: HashMap<Account, BTreeSet<Text>>,
    /// New accounts, each with the time at which it appeared. After a restart no account is new.
    new: HashMap<Account, u64>,
}

snapshot!(state Accounts { proxies } skip { new });

impl Accounts {
    /// Adds a proxy to the account of its identity, and removes it from that of the identity
    /// `before`.
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

    /// Removes a proxy from the account of its identity.
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

    /// Ends the learning time of accounts that appeared up to `until_us`. Returns whether there
    /// were any.
    pub(super) fn end_learning(&mut self, until_us: u64) -> bool {
        let new = self.new.len();
        self.new.retain(|_, since_us| *since_us > until_us);
        self.new.len() < new
    }

    /// Proxies that present a SPIFFE id, and whether their account is new.
    pub(super) fn of(&self, principal: &str) -> Option<(&BTreeSet<Text>, bool)> {
        let (namespace, account) = spiffe(principal)?;
        let account = (namespace.into(), account.into());
        Some((self.proxies.get(&account)?, self.new.contains_key(&account)))
    }
}

fn account_of(identity: &Identity) -> Account {
    (identity.namespace.clone(), identity.service_account.clone())
}

/// Returns namespace and service account of `spiffe://<trust domain>/ns/<namespace>/sa/<service
/// account>`.
pub(super) fn spiffe(principal: &str) -> Option<(&str, &str)> {
    let (_, path) = principal.strip_prefix("spiffe://")?.split_once('/')?;
    path.strip_prefix("ns/")?.split_once("/sa/")
}

/// Whether a proxy may present this SPIFFE id. An id of another form, or none, excludes no proxy.
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

    /// Checks the proxies of the accounts x and y after some steps: `a joins x at 5`, `a leaves x`
    /// (proxy and account), `until 9` (end of the learning time).
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
    fn an_account_is_new_after_its_first_proxy_appears() {
        check("a joins x at 5", "x: a, new");
        check("a joins x at 5, until 5", "x: a");
        check("a joins x at 5, until 5, b joins x at 6", "x: a b");
        check("a joins x at 5, b joins y at 6, until 5", "x: a; y: b, new");
        check("a joins x at 5, until 5, a joins x at 7", "x: a");
        check("a joins x at 5, until 5, a leaves x, b joins x at 7", "x: b, new");
    }

    #[test]
    fn an_account_without_proxies_is_removed() {
        check("a joins x at 5, a leaves x", "");
        check("a joins x at 5, a joins y at 6", "y: a, new");
        check("a joins x at 5, b joins x at 5, a leaves x", "x: b, new");
    }
}
