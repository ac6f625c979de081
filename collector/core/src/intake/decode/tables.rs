//! One row of the table of edges, and one of that of outcomes.
//!
//! In: an encoded row. Out: what it says, with its texts as places. Always holds: as in the check, what is not known is
//! believed as little as the weakest that is.

use super::wire::{Cursor, Value};
use crate::batch::edge_table::{Kind, Place, TEXTS};
use crate::batch::{Outcome, Protocol};
use crate::intake::validate::tables as check;
use hopscope_proto::v1;

/// Reads an edge. `row`: its place, for the check.
#[inline]
pub(super) fn edge(bytes: &[u8], row: usize) -> Option<(Kind, [u32; TEXTS])> {
    let (mut reporter, mut evidence, mut mutual_tls) = (0, 0, false);
    let mut texts = [0; TEXTS];
    let mut fields = Cursor::new(bytes);
    while let Some((number, value)) = fields.field()? {
        let Value::Varint(value) = value else {
            if number <= 18 {
                return None;
            }
            continue;
        };
        let place = match number {
            1 => {
                reporter = value as i32;
                continue;
            }
            2 => Place::PeerWorkload,
            3 => Place::PeerNamespace,
            4 => Place::PeerApp,
            5 => Place::PeerVersion,
            6 => Place::PeerCanonicalService,
            7 => Place::PeerCanonicalRevision,
            8 => Place::PeerCluster,
            9 => Place::PeerAddress,
            10 => Place::PeerPrincipal,
            11 => Place::LocalPrincipal,
            12 => {
                mutual_tls = value != 0;
                continue;
            }
            13 => Place::ServiceHost,
            14 => Place::ServiceName,
            15 => Place::ServiceNamespace,
            17 => Place::Subset,
            18 => {
                evidence = value as i32;
                continue;
            }
            // Nobody asks for the port of the service yet.
            _ => continue,
        };
        *texts.get_mut(place as usize)? = value as u32;
    }
    let reporter = check::reporter(row, reporter).ok()?;
    Some((Kind { reporter, mutual_tls, evidence: check::evidence(evidence) }, texts))
}

/// Reads an outcome, and the places of the two texts that explain it. `row`: its place, and `texts`: how many there are, for
/// the check.
pub(super) fn outcome(bytes: &[u8], row: usize, texts: usize) -> Option<(Outcome, [u32; 2])> {
    let mut outcome = v1::Outcome::default();
    let mut fields = Cursor::new(bytes);
    while let Some((number, value)) = fields.field()? {
        match (number, value) {
            (1, Value::Varint(it)) => outcome.response_code = it as u32,
            (2, Value::Varint(it)) => outcome.response_flags = it,
            (3, Value::Varint(it)) => outcome.grpc_status = Some(it as u32),
            (4, Value::Varint(it)) => outcome.protocol = it as i32,
            (5, Value::Varint(it)) => outcome.code_details = it as u32,
            (6, Value::Varint(it)) => outcome.transport_failure_reason = it as u32,
            // Connections are few; prost and the check part them from the requests.
            (1..=7, _) => return None,
            _ => {}
        }
    }
    let checked = check::outcome(row, &outcome, texts).ok()?;
    let explained = [outcome.code_details, outcome.transport_failure_reason];
    (checked.protocol != Protocol::Tcp).then_some((checked, explained))
}
