//! Validation of the tables of a batch: strings, edges, outcomes.
//!
//! In: decoded tables.
//! Out: edges and outcomes with their texts.
//! Invariant: every index is compared with the size of its table before use.

use super::{Limits, TEXT_BYTES_MAX};
use crate::batch::{Details, Edge, Evidence, Outcome, Peer, Protocol, Reporter, Service, Text};
use crate::intake::reject::Rejection;
use hopscope_proto::v1;
use std::sync::Arc;

/// Checks the size of a table.
pub(super) fn at_most(field: &'static str, found: usize, limit: usize) -> Result<(), Rejection> {
    if found > limit { Err(Rejection::TooMany { field, found, limit }) } else { Ok(()) }
}

/// Validates the table of texts.
pub(super) fn strings(wire: Vec<String>, limits: &Limits) -> Result<Vec<Text>, Rejection> {
    at_most("strings", wire.len(), limits.strings_max)?;
    match wire.first() {
        None => return Err(Rejection::Strings { index: 0, problem: "is missing" }),
        Some(first) if !first.is_empty() => {
            return Err(Rejection::Strings { index: 0, problem: "is not empty" });
        }
        Some(_) => {}
    }
    if let Some(index) = wire.iter().position(|text| text.len() > TEXT_BYTES_MAX) {
        return Err(Rejection::Strings { index, problem: "is longer than 512 bytes" });
    }
    Ok(wire.into_iter().map(Text::from).collect())
}

/// Validates the table of edges.
pub(super) fn edges(
    wire: &[v1::Edge],
    strings: &[Text],
    limits: &Limits,
) -> Result<Vec<Arc<Edge>>, Rejection> {
    at_most("edges", wire.len(), limits.rows_max)?;
    wire.iter().enumerate().map(|(row, edge)| self::edge(row, edge, strings).map(Arc::new)).collect()
}

fn edge(row: usize, wire: &v1::Edge, strings: &[Text]) -> Result<Edge, Rejection> {
    let text = |field: &'static str, index: u32| -> Result<Text, Rejection> {
        let entry = usize::try_from(index).ok().and_then(|index| strings.get(index));
        entry.cloned().ok_or(Rejection::Index { field, row, index, size: strings.len() })
    };
    let peer = Peer {
        workload: text("edges.peer_workload", wire.peer_workload)?,
        namespace: text("edges.peer_namespace", wire.peer_namespace)?,
        app: text("edges.peer_app", wire.peer_app)?,
        version: text("edges.peer_version", wire.peer_version)?,
        canonical_service: text("edges.peer_canonical_service", wire.peer_canonical_service)?,
        canonical_revision: text("edges.peer_canonical_revision", wire.peer_canonical_revision)?,
        cluster: text("edges.peer_cluster", wire.peer_cluster)?,
        address: text("edges.peer_address", wire.peer_address)?,
        principal: text("edges.peer_principal", wire.peer_principal)?,
    };
    let service = Service {
        host: text("edges.service_host", wire.service_host)?,
        name: text("edges.service_name", wire.service_name)?,
        namespace: text("edges.service_namespace", wire.service_namespace)?,
        subset: text("edges.subset", wire.subset)?,
        evidence: evidence(wire.service_evidence),
    };
    Ok(Edge {
        reporter: reporter(row, wire.reporter)?,
        peer,
        local_principal: text("edges.local_principal", wire.local_principal)?,
        mutual_tls: wire.mutual_tls,
        service,
    })
}

/// Validates the reporter of a row.
pub(crate) fn reporter(row: usize, number: i32) -> Result<Reporter, Rejection> {
    match v1::Reporter::try_from(number) {
        Ok(v1::Reporter::Source) => Ok(Reporter::Source),
        Ok(v1::Reporter::Destination) => Ok(Reporter::Destination),
        Ok(v1::Reporter::Waypoint) => Ok(Reporter::Waypoint),
        Ok(v1::Reporter::Unspecified) | Err(_) => Err(Rejection::Reporter { row, number }),
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
    strings: usize,
    limits: &Limits,
) -> Result<Vec<Outcome>, Rejection> {
    at_most("outcomes", wire.len(), limits.rows_max)?;
    wire.iter().enumerate().map(|(row, outcome)| self::outcome(row, outcome, strings)).collect()
}

/// Validates one outcome. `strings` is the size of the table of texts.
pub(crate) fn outcome(row: usize, wire: &v1::Outcome, strings: usize) -> Result<Outcome, Rejection> {
    let texts = [
        ("outcomes.code_details", wire.code_details),
        ("outcomes.transport_failure_reason", wire.transport_failure_reason),
    ];
    for (field, index) in texts {
        self::index(field, row, index, strings)?;
    }
    if !matches!(wire.response_code, 0 | 100..=999) {
        return Err(Rejection::ResponseCode { row, code: wire.response_code });
    }
    Ok(Outcome {
        response_code: wire.response_code,
        response_flags: wire.response_flags,
        grpc_status: wire.grpc_status,
        protocol: match v1::Protocol::try_from(wire.protocol) {
            Ok(v1::Protocol::Http) => Protocol::Http,
            Ok(v1::Protocol::Grpc) => Protocol::Grpc,
            Ok(v1::Protocol::Tcp) => Protocol::Tcp,
            Ok(v1::Protocol::Unspecified) | Err(_) => Protocol::Unknown,
        },
    })
}

/// Returns the explanations of validated outcomes.
pub(super) fn details(wire: &[v1::Outcome], strings: &[Text]) -> Details {
    let text = |index: u32| strings.get(index as usize).map_or("", |text| &**text);
    Details::of(wire.iter().enumerate().map(|(index, outcome)| {
        (index, [text(outcome.code_details), text(outcome.transport_failure_reason)])
    }))
}

/// Converts an index of the wire format, and checks it against a table of `size` entries.
pub(super) fn index(field: &'static str, row: usize, index: u32, size: usize) -> Result<usize, Rejection> {
    usize::try_from(index).ok().filter(|index| *index < size).ok_or(Rejection::Index {
        field,
        row,
        index,
        size,
    })
}
