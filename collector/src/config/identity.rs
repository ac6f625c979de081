//! Section `identity`.

use super::section::section;

section! {
    /// The address book, which names the peers of a call.
    "identity": Identity {
        /// Proxies in the address book; one more is asked to come back later.
        proxies_max: usize = 50_000,
            { option: "proxies-max", unit: "proxies", range: (1, 1_000_000), live: true };
        /// A proxy that did not report for so long names nobody any more.
        silent_s_max: u64 = 86_400, { unit: "s", range: (60, 2_592_000), live: true };
        /// A proxy that did not report for so long is quiet, or blind if others meet it; a filter speaks every 15 s.
        quiet_s: u64 = 45, { unit: "s", range: (1, 3_600), live: true };
        /// A certificate names a caller only when its service account is known for so long: until then others that share
        /// the account may not have said who they are. A filter speaks every 15 s.
        account_learning_s: u64 = 15, { unit: "s", range: (0, 3_600), live: true };
        /// Services known from clusters; what is more gets no intended destination.
        services_max: usize = 20_000, { unit: "services", range: (1, 1_000_000), live: true };
        /// Services that only requests named (flags NR and NC); what is more is shown as `other`.
        authorities_max: usize = 100,
            { option: "authorities-max", unit: "services", range: (0, 100_000), live: true };
        /// How long a request may wait for the name of its peer.
        pending_ms_max: u64 = 2000, { option: "pending-ms-max", unit: "ms", range: (0, 60_000), live: true };
        /// Groups of requests that wait at a time; one that finds no room is named at once as well as can be.
        pending_groups_max: usize = 10_000,
            { option: "pending-groups-max", unit: "groups", range: (0, 1_000_000), live: true };
        /// Requests of called sides that wait until their hop is joined, since neither address nor certificate says who
        /// called, about 200 bytes each; one that finds no room is named at once as well as can be. 0 to name none so.
        caller_inference_max: usize = 100_000,
            { option: "caller-inference-max", unit: "requests", range: (0, 10_000_000), live: true };
    }
}
