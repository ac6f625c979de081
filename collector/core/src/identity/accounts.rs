//! Service accounts of the mesh, with the labels that the proxies of each have in common.
//!
//! In: identities of proxies as they come, fall silent and go, and the time. Out: the common labels
//! of the proxies that may have presented a certificate. Invariant: the number of steps to find them
//! does not depend on the number of proxies; reporting proxies outrank silent ones; an account is
//! new until `account_learning_s` after its first reporting proxy appeared, because other proxies
//! of the account may not have reported yet; an account without proxies is removed.

use super::trust::{SpiffeId, TrustDomains};
use super::unknown::{app_of, version_of};
use crate::batch::{Identity, Text};
use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Labels that proxies of an account may have in common, in the order of [`CommonLabels`].
const LABELS: usize = 6;

/// Largest number of groups of an account: one per cluster, unless two clusters share a group.
const GROUPS: u64 = 64;

/// A namespace and a service account in it.
type Account = (Text, Text);

/// Labels that all proxies of a certificate have in common; `None` for a label that differs or is
/// not known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct CommonLabels {
    pub(super) workload: Option<Text>,
    pub(super) app: Option<Text>,
    pub(super) version: Option<Text>,
    pub(super) canonical_service: Option<Text>,
    pub(super) canonical_revision: Option<Text>,
    pub(super) cluster: Option<Text>,
}

/// Number of proxies by label and value.
#[derive(Debug, Clone, Default)]
struct Counts {
    proxies: usize,
    values: BTreeMap<(usize, Text), usize>,
}

impl Counts {
    fn add(&mut self, identity: &Identity, is_added: bool) {
        let add = |count: usize| if is_added { count.saturating_add(1) } else { count.saturating_sub(1) };
        self.proxies = add(self.proxies);
        for key in labels(identity).into_iter().enumerate() {
            let count = add(self.values.get(&key).copied().unwrap_or(0));
            if count == 0 {
                self.values.remove(&key);
            } else {
                self.values.insert(key, count);
            }
        }
    }

    /// Value of a label that all proxies have.
    fn only(&self, label: usize) -> Option<&Text> {
        #[cfg(test)]
        tests::STEPS.set(tests::STEPS.get() + 1);
        let of_label = (label, Text::default())..(label.saturating_add(1), Text::default());
        let mut values = self.values.range(of_label).map(|((_, value), _)| value);
        values.next().filter(|_| values.next().is_none())
    }
}

/// Proxies of an account in one cluster.
#[derive(Debug, Clone, Default)]
struct Group {
    all: Counts,
    reporting: Counts,
}

/// Service accounts by namespace and name.
#[derive(Debug, Clone, Default)]
pub(super) struct Accounts {
    groups: HashMap<Account, BTreeMap<u64, Group>, foldhash::quality::RandomState>,
    /// New accounts, each with the time at which it appeared. After a restart no account is new.
    new: HashMap<Account, u64, foldhash::quality::RandomState>,
}

impl Accounts {
    /// Adds a proxy to the account of its identity.
    pub(super) fn add(&mut self, identity: &Identity) {
        self.group(identity).all.add(identity, true);
    }

    /// Removes a proxy that does not report any more from the account of its identity.
    pub(super) fn remove(&mut self, identity: &Identity) {
        let account = account_of(identity);
        let number = group_of(identity);
        self.group(identity).all.add(identity, false);
        if let Some(groups) = self.groups.get_mut(&account) {
            groups.retain(|known, group| *known != number || group.all.proxies > 0);
            if groups.is_empty() {
                self.groups.remove(&account);
                self.new.remove(&account);
            }
        }
    }

    /// A proxy of an account begins to report.
    pub(super) fn begin_reporting(&mut self, identity: &Identity, now_us: u64) {
        let account = account_of(identity);
        let is_reporting =
            |groups: &BTreeMap<u64, Group>| groups.values().any(|group| group.reporting.proxies > 0);
        if !self.groups.get(&account).is_some_and(is_reporting) {
            self.new.insert(account, now_us);
        }
        self.group(identity).reporting.add(identity, true);
    }

    /// A proxy of an account has fallen silent.
    pub(super) fn end_reporting(&mut self, identity: &Identity) {
        self.group(identity).reporting.add(identity, false);
    }

    /// After a restart no account is new.
    pub(super) fn end_all_learning(&mut self) {
        self.new.clear();
    }

    /// Ends the learning time of accounts that appeared up to `until_us`. Returns whether there
    /// were any.
    pub(super) fn end_learning(&mut self, until_us: u64) -> bool {
        let new = self.new.len();
        self.new.retain(|_, since_us| *since_us > until_us);
        self.new.len() < new
    }

    /// Common labels of the proxies that present a SPIFFE id, and whether their account is new.
    pub(super) fn of(&self, id: &SpiffeId<'_>, domains: &TrustDomains) -> Option<(CommonLabels, bool)> {
        let account = (id.namespace.into(), id.service_account.into());
        let may_present = |group: &&Group| match group.all.only(5) {
            Some(cluster) => domains.may_be(cluster, id.trust_domain),
            None => true,
        };
        let groups: Vec<&Group> = self.groups.get(&account)?.values().filter(may_present).collect();
        let is_reporting = groups.iter().any(|group| group.reporting.proxies > 0);
        let counts = groups.iter().map(|group| if is_reporting { &group.reporting } else { &group.all });
        let counts: Vec<&Counts> = counts.filter(|counts| counts.proxies > 0).collect();
        let common = |label: usize| {
            let first = counts.first()?.only(label).filter(|value| !value.is_empty())?;
            counts.iter().all(|counts| counts.only(label) == Some(first)).then(|| first.clone())
        };
        let common = CommonLabels {
            workload: common(0),
            app: common(1),
            version: common(2),
            canonical_service: common(3),
            canonical_revision: common(4),
            cluster: common(5),
        };
        Some((common, self.new.contains_key(&account)))
    }

    fn group(&mut self, identity: &Identity) -> &mut Group {
        let groups = self.groups.entry(account_of(identity)).or_default();
        groups.entry(group_of(identity)).or_default()
    }
}

fn labels(identity: &Identity) -> [Text; LABELS] {
    [
        identity.workload.clone(),
        app_of(&identity.app, &identity.canonical_service).clone(),
        version_of(&identity.version, &identity.canonical_revision).clone(),
        identity.canonical_service.clone(),
        identity.canonical_revision.clone(),
        identity.cluster.clone(),
    ]
}

fn account_of(identity: &Identity) -> Account {
    (identity.namespace.clone(), identity.service_account.clone())
}

/// Number of the group of a proxy. A client may claim any number of clusters, so groups are
/// numbered by a hash.
fn group_of(identity: &Identity) -> u64 {
    let mut hasher = DefaultHasher::new();
    identity.cluster.hash(&mut hasher);
    hasher.finish() % GROUPS
}

#[cfg(test)]
mod tests;
