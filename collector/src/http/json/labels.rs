//! Labels that rows of different lists share, with the values of `/metrics`.
//!
//! Invariant: a series without labels of its own has the value `overflow` in all labels except the
//! reporter, and except the reporter's namespace where only that namespace is over its limit.

use hopscope_core::aggregate::Key;
use hopscope_core::batch::{Outcome, Protocol, Reporter, Text, flags};
use hopscope_core::identity::ResolvedEdge;
use hopscope_core::join::HopEdge;
use serde::{Deserialize, Serialize};

const OVERFLOW: &str = "overflow";

/// Edge: source workload to destination workload, with the destination service.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EdgeLabels {
    /// Workload of the caller.
    pub source_workload: String,
    /// Namespace of the caller.
    pub source_namespace: String,
    /// Version of the caller.
    pub source_version: String,
    /// Workload that was called, or intended.
    pub destination_workload: String,
    /// Namespace of the destination.
    pub destination_namespace: String,
    /// Version of the destination.
    pub destination_version: String,
    /// Service that was requested.
    pub destination_service: String,
    /// Reporting side: `source`, `destination` or `waypoint`; absent for a hop, which both sides
    /// report.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reporter: String,
    /// Evidence for the name of the reporter's peer; absent for a hop.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub peer_evidence: String,
}

impl EdgeLabels {
    /// Labels of a series.
    pub(crate) fn of(key: &Key) -> Self {
        match key {
            Key::Edge(edge, _) => Self::from(&**edge),
            Key::Overflow(reporter) => Self {
                reporter: reporter.label().to_owned(),
                peer_evidence: OVERFLOW.to_owned(),
                ..Self::overflow()
            },
            Key::NamespaceOverflow(reporter, namespace) => {
                let mut labels = Self::of(&Key::Overflow(*reporter));
                let of_reporter = match reporter {
                    Reporter::Destination => &mut labels.destination_namespace,
                    Reporter::Source | Reporter::Waypoint => &mut labels.source_namespace,
                };
                *of_reporter = namespace.to_string();
                labels
            }
        }
    }

    /// Labels of hops without an edge of their own.
    pub(crate) fn overflow() -> Self {
        let overflow = || OVERFLOW.to_owned();
        Self {
            source_workload: overflow(),
            source_namespace: overflow(),
            source_version: overflow(),
            destination_workload: overflow(),
            destination_namespace: overflow(),
            destination_version: overflow(),
            destination_service: overflow(),
            reporter: String::new(),
            peer_evidence: String::new(),
        }
    }
}

impl From<&ResolvedEdge> for EdgeLabels {
    fn from(edge: &ResolvedEdge) -> Self {
        let ResolvedEdge { reporter, source, destination, service, evidence, .. } = edge;
        let [source, destination] =
            [source, destination].map(|end| [&end.workload, &end.namespace, &end.version]);
        Self {
            reporter: reporter.label().to_owned(),
            peer_evidence: evidence.label().to_owned(),
            ..Self::between(source, destination, &service.host)
        }
    }
}

impl From<&HopEdge> for EdgeLabels {
    fn from(HopEdge { source, destination, service }: &HopEdge) -> Self {
        let [source, destination] =
            [source, destination].map(|end| [&end.workload, &end.namespace, &end.version]);
        Self::between(source, destination, service)
    }
}

impl EdgeLabels {
    /// Labels of both ends, each as workload, namespace and version, and of the called service.
    fn between(source: [&Text; 3], destination: [&Text; 3], service: &str) -> Self {
        let [source_workload, source_namespace, source_version] = source.map(ToString::to_string);
        let [destination_workload, destination_namespace, destination_version] =
            destination.map(ToString::to_string);
        Self {
            source_workload,
            source_namespace,
            source_version,
            destination_workload,
            destination_namespace,
            destination_version,
            destination_service: service.to_owned(),
            ..Self::default()
        }
    }
}

/// Result of requests or connections.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OutcomeLabels {
    /// HTTP status; `0` without response headers, `invalid` outside 100 to 599.
    pub response_code: String,
    /// Envoy's response flags; `-` for none.
    pub response_flags: String,
    /// gRPC status; empty when none was sent, `invalid` above 16.
    pub grpc_response_status: String,
    /// `http`, `grpc`, `tcp` or `unknown`.
    pub request_protocol: String,
}

impl OutcomeLabels {
    /// Labels of a series.
    pub(crate) fn of(key: &Key) -> Self {
        let Key::Edge(_, outcome) = key else {
            let overflow = || OVERFLOW.to_owned();
            return Self {
                response_code: overflow(),
                response_flags: overflow(),
                grpc_response_status: overflow(),
                request_protocol: overflow(),
            };
        };
        Self::from(outcome)
    }
}

impl From<&Outcome> for OutcomeLabels {
    fn from(outcome: &Outcome) -> Self {
        let protocol = match outcome.protocol {
            Protocol::Unknown => "unknown",
            protocol => protocol.label(),
        };
        Self {
            response_code: outcome.code_label(),
            response_flags: flags::label(outcome.response_flags),
            grpc_response_status: outcome.grpc_label(),
            request_protocol: protocol.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{EdgeLabels, OutcomeLabels};
    use hopscope_core::aggregate::Key;
    use hopscope_core::batch::Reporter;

    #[test]
    fn overflow_series_keep_their_reporter_and_its_namespace() {
        let labels = EdgeLabels::of(&Key::NamespaceOverflow(Reporter::Destination, "shop".into()));
        assert_eq!((&*labels.reporter, &*labels.destination_namespace), ("destination", "shop"));
        assert_eq!((&*labels.source_namespace, &*labels.peer_evidence), ("overflow", "overflow"));
        let labels = EdgeLabels::of(&Key::Overflow(Reporter::Source));
        assert_eq!((&*labels.reporter, &*labels.source_namespace), ("source", "overflow"));
        assert_eq!(OutcomeLabels::of(&Key::Overflow(Reporter::Source)).response_code, "overflow");
    }
}
