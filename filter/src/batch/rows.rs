//! The rows of a batch's tables: edges, outcomes and folds.

use super::columns::delta;
use super::encode::{EncodedMessage, zigzag};
use super::fold::Fold;
use super::intern::Interner;
use crate::record::{Edge, Outcome};

/// A fold with the indexes of its edge and outcome.
pub(super) type FoldRow = (u32, u32, Fold);

/// Encodes a `v1::Edge`.
#[inline(never)]
pub(super) fn encode_edge(edge: &Edge, strings: &mut Interner<String>) -> EncodedMessage {
    let Edge { reporter, peer, local_principal, mutual_tls, service } = edge;
    let mut text = |text: &str| u64::from(strings.index(text));
    let mut message = EncodedMessage::default();
    // The fields of `v1::Edge`, in order.
    message.numbers(
        1,
        &[
            *reporter as u64,
            text(&peer.workload),
            text(&peer.namespace),
            text(&peer.app),
            text(&peer.version),
            text(&peer.canonical_service),
            text(&peer.canonical_revision),
            text(&peer.cluster),
            text(&peer.address),
            text(&peer.principal),
            text(local_principal),
            u64::from(*mutual_tls),
            text(&service.host),
            text(&service.name),
            text(&service.namespace),
            u64::from(service.port),
            text(&service.subset),
            service.evidence as u64,
        ],
    );
    message
}

/// Encodes a `v1::Outcome`.
#[inline(never)]
pub(super) fn encode_outcome(outcome: &Outcome, strings: &mut Interner<String>) -> EncodedMessage {
    let (details, reason) =
        outcome.failure.as_ref().map_or(("", ""), |it| (&it.code_details, &it.transport_failure_reason));
    let mut text = |text: &str| u64::from(strings.index(text));
    let mut message = EncodedMessage::default();
    // The fields of `v1::Outcome`, in order.
    message.numbers(1, &[u64::from(outcome.response_code), outcome.response_flags]);
    if let Some(status) = outcome.grpc_status {
        message.number(3, u64::from(status));
    }
    let continued = u64::from(outcome.continued);
    message.numbers(4, &[outcome.protocol as u64, text(details), text(reason), continued]);
    message
}

/// Encodes a `v1::Fold`.
#[inline(never)]
pub(super) fn encode_fold((edge, outcome, fold): &FoldRow, base_us: u64) -> EncodedMessage {
    let (first_us, last_us) = (delta(fold.first_start_us, base_us), delta(fold.last_start_us, base_us));
    let mut message = EncodedMessage::default();
    // The fields of `v1::Fold`, in order.
    let (edge, outcome) = (u64::from(*edge), u64::from(*outcome));
    message.numbers(1, &[edge, outcome, fold.count, zigzag(first_us), zigzag(last_us)]);
    message.message(6, &fold.duration.encode());
    message.numbers(7, &[fold.request_bytes_sum, fold.response_bytes_sum]);
    message
}
