//! Labels of a series, in Istio's words.
//!
//! In: key of a series. Out: names and values of its labels. Invariant: every label has a value; an
//! overflow series has the value `overflow` in all labels but the reporter, and, where the series
//! of its namespace are limited, but the namespace of the reporting proxy.
//!
//! Source: Istio's standard metrics (`istio_requests_total`). `peer_evidence` is an addition: it
//! states how the other side of the edge was identified.

use super::Key;
use crate::batch::flags;
use crate::batch::{Outcome, Protocol, Reporter};
use crate::identity::ResolvedEdge;

/// Names of the labels, in the order of the values.
pub use crate::metrics::EDGE_LABELS as NAMES;

/// Label with the namespace of the reporting proxy, by the side that reports.
const SOURCE: &str = "source_workload_namespace";
const DESTINATION: &str = "destination_workload_namespace";

const OVERFLOW: &str = "overflow";

/// Values of the labels of one series.
#[derive(Debug)]
pub struct SeriesLabels<'a> {
    outcome: OutcomeTexts,
    edge: Result<&'a ResolvedEdge, (Reporter, Option<&'a str>)>,
}

/// Label values of an outcome that are formatted.
#[derive(Debug)]
struct OutcomeTexts {
    code: String,
    grpc: String,
    flags: String,
    protocol: &'static str,
}

impl OutcomeTexts {
    fn of(outcome: &Outcome) -> Self {
        let protocol =
            if outcome.protocol == Protocol::Unknown { "unknown" } else { outcome.protocol.label() };
        Self {
            code: outcome.code_label(),
            grpc: outcome.grpc_label(),
            flags: flags::label(outcome.response_flags),
            protocol,
        }
    }
}

impl<'a> SeriesLabels<'a> {
    /// Labels of the series with a key.
    #[must_use]
    pub fn of(key: &'a Key) -> Self {
        match key {
            Key::Edge(edge, outcome) => Self { outcome: OutcomeTexts::of(outcome), edge: Ok(edge) },
            Key::Overflow(reporter) => {
                Self { outcome: OutcomeTexts::of(&Outcome::default()), edge: Err((*reporter, None)) }
            }
            Key::NamespaceOverflow(reporter, namespace) => {
                let edge = Err((*reporter, Some(&**namespace)));
                Self { outcome: OutcomeTexts::of(&Outcome::default()), edge }
            }
        }
    }

    /// Names and values.
    #[must_use]
    pub fn pairs(&self) -> [(&'static str, &str); NAMES.len()] {
        let values = match self.edge {
            Ok(edge) => self.of_edge(edge),
            Err((reporter, namespace)) => {
                let mut values = [OVERFLOW; NAMES.len()];
                if let Some(first) = values.first_mut() {
                    *first = reporter.label();
                }
                let label = if reporter == Reporter::Destination { DESTINATION } else { SOURCE };
                let position = NAMES.iter().position(|name| *name == label);
                if let (Some(namespace), Some(position)) = (namespace, position)
                    && let Some(value) = values.get_mut(position)
                {
                    *value = namespace;
                }
                values
            }
        };
        let mut pairs = NAMES.map(|name| (name, ""));
        for (pair, value) in pairs.iter_mut().zip(values) {
            pair.1 = value;
        }
        pairs
    }

    fn of_edge<'b>(&'b self, edge: &'b ResolvedEdge) -> [&'b str; NAMES.len()] {
        let ResolvedEdge { source, destination, service, .. } = edge;
        [
            edge.reporter.label(),
            &source.workload,
            &source.namespace,
            &source.principal,
            &source.app,
            &source.version,
            &source.canonical_service,
            &source.canonical_revision,
            &source.cluster,
            &destination.workload,
            &destination.namespace,
            &destination.principal,
            &destination.app,
            &destination.version,
            &service.host,
            &service.name,
            &service.namespace,
            &destination.canonical_service,
            &destination.canonical_revision,
            &destination.cluster,
            self.outcome.protocol,
            &self.outcome.code,
            &self.outcome.grpc,
            &self.outcome.flags,
            edge.security.label(),
            edge.evidence.label(),
        ]
    }

    /// Value of one label; empty for an unknown name.
    #[must_use]
    pub fn get(&self, name: &str) -> String {
        let pairs = self.pairs();
        pairs
            .iter()
            .find(|(known, _)| *known == name)
            .map_or_else(String::new, |(_, value)| (*value).to_owned())
    }
}
