//! Section `identity`.

use super::PendingLimits;
use crate::section;
use crate::settings::milliseconds_us;

section! {
    /// The address book, which resolves the peers of a request to workloads.
    "identity": Settings {
        /// Largest number of proxies in the address book. For one more the longest silent proxy is
        /// removed. While none has been silent for `quiet_s`, each service account has an equal
        /// share; a batch beyond the share is refused, and its filter sends it again later.
        proxies_max: usize = 50_000,
            { option: "proxies-max", unit: "proxies", range: (1, 1_000_000), live: true };
        /// A proxy, a service or an authority without a report for this long is removed from the
        /// address book.
        silent_s_max: u64 = 86_400, { unit: "s", range: (60, 2_592_000), live: true };
        /// A proxy without a report for this long is `idle`, or `not_reporting` if other proxies
        /// still exchange requests with it; its address identifies it no longer, unless a certificate
        /// or metadata agree. A filter reports at least every 15 s.
        quiet_s: u64 = 45, { unit: "s", range: (1, 3_600), live: true };
        /// A certificate identifies a source workload only when its service account has been known
        /// for this long. Before that, other workloads of the same account may not have reported
        /// yet. A filter reports at least every 15 s.
        account_learning_s: u64 = 15, { unit: "s", range: (0, 3_600), live: true };
        /// Largest number of services known from cluster names. Requests to further services get no
        /// intended destination.
        services_max: usize = 20_000, { unit: "services", range: (1, 1_000_000), live: true };
        /// Largest number of services known only from the authority of requests with the response
        /// flags NR or NC. Further ones are labelled `other`, until the least recently requested one
        /// has not been requested for an hour.
        authorities_max: usize = 100,
            { option: "authorities-max", unit: "services", range: (0, 100_000), live: true };
        /// Longest time that a request is pending until its peer can be resolved.
        pending_ms_max: u64 = 2000, { option: "pending-ms-max", unit: "ms", range: (0, 60_000), live: true };
        /// Largest number of groups of requests that are pending. One more is counted immediately,
        /// with the names known so far.
        pending_groups_max: usize = 10_000,
            { option: "pending-groups-max", unit: "groups", range: (0, 1_000_000), live: true };
        /// Largest number of requests that are pending until the join finds their source, because
        /// neither address nor certificate identifies it; about 200 bytes each. One more is counted
        /// immediately, with the names known so far. 0 disables the inference of sources.
        caller_inference_max: usize = 100_000,
            { option: "caller-inference-max", unit: "requests", range: (0, 10_000_000), live: true };
    }
}

impl Settings {
    /// Limits of one store of pending requests, failures or connections.
    #[must_use]
    pub fn pending(&self) -> PendingLimits {
        PendingLimits {
            groups_max: self.pending_groups_max,
            wait_us_max: milliseconds_us(self.pending_ms_max),
        }
    }
}
