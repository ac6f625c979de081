//! Validation of the tables of a batch: strings, edges, outcomes.
//!
//! In: decoded tables.
//! Out: edges and outcomes with their texts, and which of them are valid.
//! Invariant: every index is compared with the size of its table before use; an invalid row keeps
//! its position, and only the rows that refer to it are rejected.

use super::{Limits, TEXT_BYTES_MAX};
use crate::batch::{Details, Edge, Evidence, Outcome, Peer, Protocol, RejectedRows, Reporter, RowReason};
use crate::batch::{Service, Text};
use crate::intake::reject::Rejection;
use hopscope_proto::v1;
use std::sync::Arc;

/// Valid rows of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Valid<'a> {
    /// All rows of a table of this size.
    All(usize),
    /// For each row, whether it is valid.
    Each(&'a [bool]),
}

impl Valid<'_> {
    /// Converts an index of the wire format; `None` unless it refers to a valid row.
    pub(super) fn index(self, index: u32) -> Option<usize> {
        let index = usize::try_from(index).ok()?;
        let is_valid = match self {
            Self::All(size) => index < size,
            Self::Each(rows) => rows.get(index).copied().unwrap_or(false),
        };
        is_valid.then_some(index)
    }
}

/// Table with a placeholder for each invalid row.
#[derive(Debug)]
pub(super) struct Table<T> {
    pub(super) rows: Vec<T>,
    pub(super) valid: Vec<bool>,
}

impl<T: Default> Table<T> {
    fn new(rows: impl Iterator<Item = Option<T>>, reason: RowReason, rejected: &mut RejectedRows) -> Self {
        let mut table = Self { rows: Vec::with_capacity(rows.size_hint().0), valid: Vec::new() };
        for row in rows {
            if row.is_none() {
                rejected.add_row(reason);
            }
            table.valid.push(row.is_some());
            table.rows.push(row.unwrap_or_default());
        }
        table
    }
}

/// Checks the size of a table.
pub(super) fn at_most(field: &'static str, found: usize, limit: usize) -> Result<(), Rejection> {
    if found > limit { Err(Rejection::TooMany { field, found, limit }) } else { Ok(()) }
}

/// Validates the table of texts. A text over the limit is `None`.
pub(super) fn strings(wire: Vec<String>, limits: &Limits) -> Result<Vec<Option<Text>>, Rejection> {
    at_most("strings", wire.len(), limits.strings_max)?;
    match wire.first() {
        None => return Err(Rejection::Strings { index: 0, problem: "is missing" }),
        Some(first) if !first.is_empty() => {
            return Err(Rejection::Strings { index: 0, problem: "is not empty" });
        }
        Some(_) => {}
    }
    let text = |text: String| (text.len() <= TEXT_BYTES_MAX).then(|| Text::from(text));
    Ok(wire.into_iter().map(text).collect())
}

/// Validates the table of edges.
pub(super) fn edges(
    wire: &[v1::Edge],
    strings: &[Option<Text>],
    limits: &Limits,
    rejected: &mut RejectedRows,
) -> Result<Table<Arc<Edge>>, Rejection> {
    at_most("edges", wire.len(), limits.rows_max)?;
    let rows = wire.iter().map(|edge| self::edge(edge, strings).map(Arc::new));
    Ok(Table::new(rows, RowReason::Edge, rejected))
}

fn edge(wire: &v1::Edge, strings: &[Option<Text>]) -> Option<Edge> {
    let text = |index: u32| strings.get(usize::try_from(index).ok()?)?.clone();
    let peer = Peer {
        workload: text(wire.peer_workload)?,
        namespace: text(wire.peer_namespace)?,
        app: text(wire.peer_app)?,
        version: text(wire.peer_version)?,
        canonical_service: text(wire.peer_canonical_service)?,
        canonical_revision: text(wire.peer_canonical_revision)?,
        cluster: text(wire.peer_cluster)?,
        address: text(wire.peer_address)?,
        principal: text(wire.peer_principal)?,
    };
    let service = Service {
        host: text(wire.service_host)?,
        name: text(wire.service_name)?,
        namespace: text(wire.service_namespace)?,
        subset: text(wire.subset)?,
        evidence: evidence(wire.service_evidence),
    };
    Some(Edge {
        reporter: reporter(wire.reporter)?,
        peer,
        local_principal: text(wire.local_principal)?,
        mutual_tls: wire.mutual_tls,
        service,
    })
}

/// Validates the reporter of a row.
pub(crate) fn reporter(number: i32) -> Option<Reporter> {
    match v1::Reporter::try_from(number) {
        Ok(v1::Reporter::Source) => Some(Reporter::Source),
        Ok(v1::Reporter::Destination) => Some(Reporter::Destination),
        Ok(v1::Reporter::Waypoint) => Some(Reporter::Waypoint),
        Ok(v1::Reporter::Unspecified) | Err(_) => None,
    }
}

/// Converts the evidence of a service. An unknown value counts as the weakest evidence.
pub(crate) fn evidence(number: i32) -> Evidence {
    match v1::ServiceEvidence::try_from(number) {
        Ok(v1::ServiceEvidence::Unspecified) => Evidence::None,
        Ok(v1::ServiceEvidence::Cluster) => Evidence::Cluster,
        Ok(v1::ServiceEvidence::Sni) => Evidence::Sni,
        Ok(v1::ServiceEvidence::Authority) | Err(_) => Evidence::Authority,
    }
}

/// Validates the table of outcomes.
pub(super) fn outcomes(
    wire: &[v1::Outcome],
    strings: &[Option<Text>],
    limits: &Limits,
    rejected: &mut RejectedRows,
) -> Result<Table<Outcome>, Rejection> {
    at_most("outcomes", wire.len(), limits.rows_max)?;
    let is_text = |index: u32| strings.get(index as usize).is_some_and(Option::is_some);
    let rows = wire.iter().map(|outcome| self::outcome(outcome, is_text));
    Ok(Table::new(rows, RowReason::Outcome, rejected))
}

/// Validates one outcome. `is_text`: whether the table of texts has a valid row with this
/// index. A status outside its range is an invalid status of a valid outcome.
pub(crate) fn outcome(wire: &v1::Outcome, is_text: impl Fn(u32) -> bool) -> Option<Outcome> {
    let is_valid = is_text(wire.code_details) && is_text(wire.transport_failure_reason);
    is_valid.then(|| Outcome {
        response_code: Outcome::valid_code(wire.response_code),
        response_flags: wire.response_flags,
        grpc_status: wire.grpc_status.map(Outcome::valid_grpc_status),
        protocol: match v1::Protocol::try_from(wire.protocol) {
            Ok(v1::Protocol::Http) => Protocol::Http,
            Ok(v1::Protocol::Grpc) => Protocol::Grpc,
            Ok(v1::Protocol::Tcp) => Protocol::Tcp,
            Ok(v1::Protocol::Unspecified) | Err(_) => Protocol::Unknown,
        },
    })
}

/// Returns the explanations of the valid outcomes.
pub(super) fn details(wire: &[v1::Outcome], valid: &[bool], strings: &[Option<Text>]) -> Details {
    let text = |index: u32| strings.get(index as usize).and_then(Option::as_deref).unwrap_or_default();
    let rows = wire.iter().zip(valid).enumerate().filter(|(_, (_, is_valid))| **is_valid);
    Details::of(rows.map(|(index, (outcome, _))| {
        (index, [text(outcome.code_details), text(outcome.transport_failure_reason)])
    }))
}
