//! Decoder of one row of the edge table, and of one row of the outcome table.
//!
//! In: an encoded row.
//! Out: its values, with the indexes of its texts.
//! Invariant: unknown enum values are handled as in the validator.

use super::wire::{Cursor, Value};
use crate::batch::edge_table::{Attributes, TEXTS, TextField};
use crate::batch::{Outcome, Protocol};
use crate::intake::validate::tables as validate;
use hopscope_proto::v1;

/// Decodes an edge.
#[inline]
pub(super) fn edge(bytes: &[u8]) -> Option<(Attributes, [u32; TEXTS])> {
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
        let field = match number {
            1 => {
                reporter = value as i32;
                continue;
            }
            2 => TextField::PeerWorkload,
            3 => TextField::PeerNamespace,
            4 => TextField::PeerApp,
            5 => TextField::PeerVersion,
            6 => TextField::PeerCanonicalService,
            7 => TextField::PeerCanonicalRevision,
            8 => TextField::PeerCluster,
            9 => TextField::PeerAddress,
            10 => TextField::PeerPrincipal,
            11 => TextField::LocalPrincipal,
            12 => {
                mutual_tls = value != 0;
                continue;
            }
            13 => TextField::ServiceHost,
            14 => TextField::ServiceName,
            15 => TextField::ServiceNamespace,
            17 => TextField::Subset,
            18 => {
                evidence = value as i32;
                continue;
            }
            // The port of the service is not used.
            _ => continue,
        };
        *texts.get_mut(field as usize)? = value as u32;
    }
    let reporter = validate::reporter(reporter)?;
    Some((Attributes { reporter, mutual_tls, evidence: validate::evidence(evidence) }, texts))
}

/// Decodes an outcome, and the indexes of the two texts that explain it. `texts` is the number of
/// texts, for validation.
pub(super) fn outcome(bytes: &[u8], texts: usize) -> Option<(Outcome, [u32; 2])> {
    let mut outcome = v1::Outcome::default();
    let mut fields = Cursor::new(bytes);
    while let Some((number, value)) = fields.field()? {
        match (number, value) {
            (1, Value::Varint(value)) => outcome.response_code = value as u32,
            (2, Value::Varint(value)) => outcome.response_flags = value,
            (3, Value::Varint(value)) => outcome.grpc_status = Some(value as u32),
            (4, Value::Varint(value)) => outcome.protocol = value as i32,
            (5, Value::Varint(value)) => outcome.code_details = value as u32,
            (6, Value::Varint(value)) => outcome.transport_failure_reason = value as u32,
            // Connections are few: prost decodes them, and the validator separates them from
            // requests.
            (1..=7, _) => return None,
            _ => {}
        }
    }
    let valid = validate::outcome(&outcome, |index| (index as usize) < texts)?;
    let explanation = [outcome.code_details, outcome.transport_failure_reason];
    (valid.protocol != Protocol::Tcp).then_some((valid, explanation))
}
