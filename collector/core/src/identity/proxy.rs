//! A proxy of the address book.

use crate::batch::{Identity, Text};
use crate::eviction::Standing;
use crate::snapshot::codec::snapshot;
use std::sync::Arc;

/// Identity of a proxy, and the signs of its life. Times are microseconds since the Unix epoch.
#[derive(Debug, Clone)]
pub(super) struct Proxy {
    pub(super) identity: Arc<Identity>,
    /// Account, by which the table of proxies is shared.
    pub(super) owner: Text,
    /// Time of the last report.
    pub(super) last_us: u64,
    /// Number of reports.
    pub(super) reports: u64,
    /// Time at which another proxy last reported a request that shows this proxy alive.
    pub(super) alive_us: u64,
    /// Time of the first such request since the last report; 0 without any.
    pub(super) alive_since_us: u64,
    /// Whether the proxy is known to live, so that its addresses identify it.
    pub(super) is_held: bool,
    /// Whether another proxy claimed an address of this one since its last report.
    pub(super) is_contested: bool,
    /// Time of the valid entry in the timers.
    pub(super) timer_us: u64,
}

snapshot!(struct Proxy {
    identity, owner, last_us, reports, alive_us, alive_since_us, is_held, is_contested, timer_us,
});

impl Proxy {
    pub(super) fn new(identity: Identity, now_us: u64) -> Self {
        Self {
            owner: owner_of(&identity),
            identity: Arc::new(identity),
            last_us: now_us,
            reports: 0,
            alive_us: 0,
            alive_since_us: 0,
            is_held: false,
            is_contested: false,
            timer_us: 0,
        }
    }

    /// Reports of the proxy, for the order in which proxies leave a full table.
    pub(super) fn standing(&self) -> Standing<'_> {
        Standing { owner: &self.owner, last_us: self.last_us, is_regular: self.reports > 1 }
    }
}

/// Returns the account of an identity: with client certificates, namespace and service account are
/// proven.
pub(super) fn owner_of(identity: &Identity) -> Text {
    format!("{}/{}", identity.namespace, identity.service_account).into()
}
