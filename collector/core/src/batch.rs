//! What one proxy told in one batch, checked, in the collector's own words.
//!
//! In: nothing; these are the words between the ingest door and the rooms. Out: likewise. Always holds: every index of
//! the wire is resolved, every count and time is within its limit, and one text is stored once per batch.

pub(crate) mod edge_table;
pub mod flags;
mod details;
mod edge;
mod outcome;
mod request_id;
mod totals;

pub use details::{Detail, Details};
pub use edge::{Edge, Evidence, Peer, Reporter, Service};
pub use edge_table::{EdgeFingerprint, Edges};
pub use outcome::{Outcome, Protocol};
pub use request_id::request_id_hash;
pub use totals::{DropReason, EpochId, Totals};

pub use crate::snapshot::times::Times;
pub use crate::text::Text;

use crate::snapshot::codec::snapshot;

/// One batch. (proxy, epoch, sequence) names it for ever.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Which life of which proxy tells.
    pub epoch_id: EpochId,
    /// Number within the epoch, from 1.
    pub sequence: u64,
    /// 1, or more when an earlier attempt to hand it over, maybe to another collector, went unanswered.
    pub attempt: u32,
    /// Who the proxy is; absent in most batches.
    pub identity: Option<Identity>,
    /// The running totals of the epoch as of this batch.
    pub totals: Totals,
    /// Every edge once.
    pub edges: Edges,
    /// Every outcome once.
    pub outcomes: Vec<Outcome>,
    /// What explains them, where something does.
    pub details: Details,
    /// Single requests; no connection is among them.
    pub records: Vec<Record>,
    /// Requests whose detail was given up.
    pub folds: Vec<Fold>,
    /// Requests that have begun and not ended, one entry per reporter.
    pub open: Vec<Open>,
    /// TCP connections.
    pub connections: Connections,
    /// What is new of the bodies of requests that do not end.
    pub streams: Vec<Flow>,
    /// gRPC messages of its requests.
    pub messages: Vec<Messages>,
}

/// Messages of gRPC requests of one edge and outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Messages {
    /// Index into [`Batch::edges`].
    pub edge: usize,
    /// Index into [`Batch::outcomes`].
    pub outcome: usize,
    /// What clients sent.
    pub request: u64,
    /// What they got.
    pub response: u64,
}

impl Batch {
    /// How many requests and closed connections come one by one, and how many inside fold rows.
    #[must_use]
    pub fn content(&self) -> (u64, u64) {
        let Connections { closed, folds, .. } = &self.connections;
        let single = self.records.len().saturating_add(closed.len()) as u64;
        let folds = self.folds.iter().chain(folds);
        (single, folds.fold(0, |sum, fold| sum.saturating_add(fold.count)))
    }
}

/// TCP connections of a batch.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Connections {
    /// Those that were closed; their bytes are those that no batch told before.
    pub closed: Vec<Record>,
    /// Those that were closed and whose detail was given up.
    pub folds: Vec<Fold>,
    /// What is new of those that are open.
    pub open: Vec<Flow>,
    /// By the places of [`Batch::outcomes`], whether those that ended so were told as opened before; what is missing was
    /// not.
    pub continued: Vec<bool>,
}

impl Connections {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.closed.is_empty() && self.folds.is_empty() && self.open.is_empty()
    }
}

/// What is new of the open connections, or the streams, of one edge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flow {
    /// Place in [`Batch::edges`].
    pub edge: usize,
    /// Those that were not told before.
    pub opened: u64,
    /// From the clients.
    pub request_bytes: u64,
    /// To the clients.
    pub response_bytes: u64,
}

/// Requests that one side has open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// Which side.
    pub reporter: Reporter,
    /// How many; never 0.
    pub count: u64,
    /// Age of the oldest.
    pub oldest_age_us: u64,
    /// Those that are open for longer than the proxy's threshold; at most `count`.
    pub long_count: u64,
    /// What is known of those; the counts add up to at most `long_count`.
    pub long: Vec<OpenLong>,
}

/// Requests of one edge that are open for long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenLong {
    /// Place in `Batch.edges`.
    pub edge: usize,
    /// How many; never 0.
    pub count: u64,
    /// Age of the oldest.
    pub oldest_age_us: u64,
    /// What their bodies had brought a few seconds ago.
    pub request_bytes: u64,
    /// The other way.
    pub response_bytes: u64,
}

/// Who a proxy is, from its own node metadata. An absent label is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Identity {
    /// `WORKLOAD_NAME`.
    pub workload: Text,
    /// `NAMESPACE`.
    pub namespace: Text,
    /// Label `app`.
    pub app: Text,
    /// Label `version`.
    pub version: Text,
    /// Label `service.istio.io/canonical-name`.
    pub canonical_service: Text,
    /// Label `service.istio.io/canonical-revision`.
    pub canonical_revision: Text,
    /// `SERVICE_ACCOUNT`.
    pub service_account: Text,
    /// `CLUSTER_ID`.
    pub cluster: Text,
    /// `INSTANCE_IPS`: under which addresses peers meet it, without ports; at most 16.
    pub addresses: Vec<Text>,
    /// Version of the filter; empty for an access log.
    pub filter_version: Text,
    /// Hash of the plugin configuration in force; 0 when there is none.
    pub config_hash: u64,
    /// How its requests come to be known.
    pub source: Source,
}

/// How the requests of a proxy come to be known, and so what the books can say of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Source {
    /// From the filter: numbered and acknowledged.
    #[default]
    Filter,
    /// From Envoy's access log service: what was lost on the way left no number.
    AccessLog,
}

snapshot!(enum Source { 0 = Filter, 1 = AccessLog });

impl Source {
    /// As the API says it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::AccessLog => "als",
        }
    }
}

snapshot!(struct Identity {
    workload, namespace, app, version, canonical_service, canonical_revision, service_account, cluster, addresses,
    filter_version, config_hash, source,
});

/// One request, or one closed connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Record {
    /// Index into [`Batch::edges`].
    pub edge: usize,
    /// Index into [`Batch::outcomes`].
    pub outcome: usize,
    /// Microseconds since the Unix epoch, by the proxy's clock.
    pub start_us: u64,
    /// Less than 7 days.
    pub duration_us: u64,
    /// Headers and body.
    pub request_bytes: u64,
    /// Headers and body.
    pub response_bytes: u64,
    /// A hash of the request id, the same on both sides of a hop; 0 when there was none. Some requests share one.
    pub request_id_hash: u32,
    /// Attempts that a source made; of a destination which attempt of its caller it is. 0 not known, or, at a source, none.
    pub attempts: u32,
}

/// Many requests of one edge and outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fold {
    /// Index into [`Batch::edges`].
    pub edge: usize,
    /// Index into [`Batch::outcomes`].
    pub outcome: usize,
    /// How many; never 0.
    pub count: u64,
    /// Their durations; its counts add up to `count`.
    pub durations: FoldedDurations,
    /// Sum over the requests.
    pub request_bytes_sum: u64,
    /// Sum over the requests.
    pub response_bytes_sum: u64,
}

/// A base-2 exponential histogram, as OpenTelemetry defines it: bucket i of scale s counts the values in
/// (2^(i/2^s), 2^((i+1)/2^s)] microseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FoldedDurations {
    /// Sum.
    pub sum_us: u64,
    /// Smallest.
    pub min_us: u64,
    /// Largest; less than 7 days.
    pub max_us: u64,
    /// -10 to 20.
    pub scale: i32,
    /// Durations under one microsecond.
    pub zero_count: u64,
    /// Bucket index of `counts[0]`.
    pub offset: i32,
    /// At most 320.
    pub counts: Vec<u64>,
}
