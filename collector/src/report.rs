//! What one proxy told in one batch, checked, in the collector's own words.
//!
//! In: nothing; these are the words between the ingest door and the rooms. Out: likewise. Always holds: every index of
//! the wire is resolved, every count and time is within its limit, and one text is stored once per report.

pub(crate) mod edges;
mod details;
mod request_id;

pub use details::{Detail, Details};
pub use edges::{Edges, Print};
pub use request_id::request_id_hash;

use crate::checkpoint::keep::{Keep, Reader, Unreadable, Writer, keep};
use std::sync::Arc;

/// A text that many labels share.
pub type Text = Arc<str>;

/// One batch. (proxy, epoch, sequence) names it for ever.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Which life of which proxy tells.
    pub teller: Teller,
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
    /// Index into [`Report::edges`].
    pub edge: usize,
    /// Index into [`Report::outcomes`].
    pub outcome: usize,
    /// What clients sent.
    pub request: u64,
    /// What they got.
    pub response: u64,
}

impl Report {
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
    /// By the places of [`Report::outcomes`], whether those that ended so were told as opened before; what is missing was
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
    /// Place in [`Report::edges`].
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
    /// Place in `Report.edges`.
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

/// One life of one filter VM in one proxy.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Teller {
    /// Envoy's node id, 1 to 512 bytes.
    pub proxy: Text,
    /// The random number of this life, never 0.
    pub epoch: u64,
}

keep!(struct Teller { proxy, epoch });

/// The running totals of an epoch: `seen = sent + folded + dropped + buffered`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Finished requests that the filter saw.
    pub seen: u64,
    /// Those in single records of batches 1 to this one.
    pub sent: u64,
    /// Those in fold rows of batches 1 to this one.
    pub folded: u64,
    /// Those given up, by reason.
    pub dropped: Vec<(DropReason, u64)>,
    /// Those that wait in the filter.
    pub buffered: u64,
}

keep!(struct Totals { seen, sent, folded, dropped, buffered });

impl Totals {
    /// Those that left the filter.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.sent.saturating_add(self.folded)
    }
}

/// Why requests are missing from the counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DropReason {
    /// The filter's fold table was full.
    FoldTableFull,
    /// The collector called a batch invalid.
    Refused,
    /// The collector called a batch too large.
    TooLarge,
    /// Told to an earlier life of this collector.
    CollectorRestart,
    /// It waited in a filter that was not heard of again.
    EpochEnded,
    /// A reason that this collector does not know, by its number on the wire.
    Unknown(i32),
}

impl std::fmt::Display for DropReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::FoldTableFull => f.write_str("fold_table_full"),
            Self::Refused => f.write_str("refused"),
            Self::TooLarge => f.write_str("too_large"),
            Self::CollectorRestart => f.write_str("collector_restart"),
            Self::EpochEnded => f.write_str("epoch_ended"),
            Self::Unknown(number) => write!(f, "reason{number}"),
        }
    }
}

impl Keep for DropReason {
    fn save(&self, to: &mut Writer) {
        match self {
            Self::FoldTableFull => to.number(1),
            Self::Refused => to.number(2),
            Self::TooLarge => to.number(3),
            Self::CollectorRestart => to.number(4),
            Self::EpochEnded => to.number(5),
            Self::Unknown(number) => {
                to.number(0);
                number.save(to);
            }
        }
    }

    fn load(from: &mut Reader<'_>) -> Result<Self, Unreadable> {
        match from.number()? {
            0 => Ok(Self::Unknown(i32::load(from)?)),
            1 => Ok(Self::FoldTableFull),
            2 => Ok(Self::Refused),
            3 => Ok(Self::TooLarge),
            4 => Ok(Self::CollectorRestart),
            5 => Ok(Self::EpochEnded),
            _ => Err(from.broken("no such DropReason")),
        }
    }
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

keep!(enum Source { 0 = Filter, 1 = AccessLog });

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

keep!(struct Identity {
    workload, namespace, app, version, canonical_service, canonical_revision, service_account, cluster, addresses,
    filter_version, config_hash, source,
});

/// Which side of the call tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reporter {
    /// The caller's proxy; the peer is the destination.
    #[default]
    Source,
    /// The called proxy; the peer is the source.
    Destination,
    /// An Istio waypoint; the peer is the destination.
    Waypoint,
}

keep!(enum Reporter { 1 = Source, 2 = Destination, 3 = Waypoint });

impl Reporter {
    /// As Istio's label `reporter` says it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Destination => "destination",
            Self::Waypoint => "waypoint",
        }
    }
}

/// source → destination with the service that was meant, as far as one proxy could tell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Edge {
    /// Which side tells.
    pub reporter: Reporter,
    /// The other side.
    pub peer: Peer,
    /// URI SAN of the proxy's own certificate.
    pub local_principal: Text,
    /// Whether both sides presented a certificate.
    pub mutual_tls: bool,
    /// The destination service that was meant.
    pub service: Service,
}

keep!(struct Edge { reporter, peer, local_principal, mutual_tls, service });

/// The other side of an edge. What is not known is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Peer {
    /// Its workload.
    pub workload: Text,
    /// Its namespace.
    pub namespace: Text,
    /// Its label `app`.
    pub app: Text,
    /// Its label `version`.
    pub version: Text,
    /// Its canonical service.
    pub canonical_service: Text,
    /// Its canonical revision.
    pub canonical_revision: Text,
    /// Its cluster.
    pub cluster: Text,
    /// Its address without port.
    pub address: Text,
    /// URI SAN of its certificate.
    pub principal: Text,
}

keep!(struct Peer {
    workload, namespace, app, version, canonical_service, canonical_revision, cluster, address, principal,
});

/// The destination service that was meant. What is not known is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Service {
    /// Host, such as `payments.shop.svc.cluster.local`.
    pub host: Text,
    /// Short name.
    pub name: Text,
    /// Namespace.
    pub namespace: Text,
    /// Subset of its `DestinationRule`.
    pub subset: Text,
    /// What the host rests on.
    pub evidence: Evidence,
}

keep!(struct Service { host, name, namespace, subset, evidence });

/// What the name of a service rests on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Evidence {
    /// Nothing that was told.
    #[default]
    None,
    /// The cluster that Envoy chose.
    Cluster,
    /// The server name of TLS.
    Sni,
    /// The requested authority: it comes from outside.
    Authority,
}

keep!(enum Evidence { 0 = None, 1 = Cluster, 2 = Sni, 3 = Authority });

/// How a request ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Outcome {
    /// HTTP status, 0 or 100 to 999; 0 when no response headers were sent.
    pub response_code: u32,
    /// Envoy's bitmap of response flags.
    pub response_flags: u64,
    /// Only for gRPC.
    pub grpc_status: Option<u32>,
    /// What was spoken.
    pub protocol: Protocol,
}

keep!(struct Outcome { response_code, response_flags, grpc_status, protocol });

impl Outcome {
    /// Whether it counts as failed: a response flag, no response, 5xx, or a gRPC status other than 0.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        self.response_flags != 0
            || self.response_code == 0 && self.protocol != Protocol::Tcp
            || self.response_code >= 500
            || self.grpc_status.is_some_and(|status| status != 0)
    }
}

/// What was spoken, as Istio's label `request_protocol` tells it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// Not told.
    #[default]
    Unknown,
    /// HTTP.
    Http,
    /// gRPC.
    Grpc,
    /// A plain connection.
    Tcp,
}

keep!(enum Protocol { 0 = Unknown, 1 = Http, 2 = Grpc, 3 = Tcp });

impl Protocol {
    /// As the label says it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Http => "http",
            Self::Grpc => "grpc",
            Self::Tcp => "tcp",
        }
    }
}

/// One request, or one closed connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Record {
    /// Index into [`Report::edges`].
    pub edge: usize,
    /// Index into [`Report::outcomes`].
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
    /// Index into [`Report::edges`].
    pub edge: usize,
    /// Index into [`Report::outcomes`].
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
