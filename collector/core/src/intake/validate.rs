//! Validation of a decoded batch, and its conversion to domain types.
//!
//! In: a decoded batch, the limits, and the time.
//! Out: a [`Batch`] with its rejected rows, or the first [`Rejection`] found.
//! Invariant: the rows of a batch satisfy every rule of `hopscope/v1/telemetry.proto`; a row that
//! breaks one is rejected alone, and counted by reason. A batch is rejected as a whole only when it
//! cannot be decoded, its proxy or sequence is invalid, or its totals contradict its content.

pub(super) mod tables;
pub(super) mod times;
pub(super) mod rows;
mod messages;
mod in_flight;
mod tcp;

use super::proto_fields::Fields;
use super::reject::Rejection;
use crate::batch::{Batch, DropReason, Edges, EpochId, Identity, RejectedRows, Source, Text, Totals};
use hopscope_proto::v1::{self, SCHEMA_VERSION};
use tables::Valid;
use times::BatchTimes;

/// Longest text: the name of the proxy, and each entry of `strings`.
pub const TEXT_BYTES_MAX: usize = 512;
/// Number of addresses of an identity that are read; further ones are ignored.
pub const ADDRESSES_MAX: usize = 16;
/// Exclusive limit of durations: 7 days.
pub const DURATION_US_MAX: u64 = 7 * 24 * 3600 * 1_000_000;

/// Drop reasons of a batch: one row per known reason; a valid client sends far fewer.
const REASONS_MAX: usize = 32;

/// Limits of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Maximum entries of `strings`.
    pub strings_max: usize,
    /// Maximum rows of each other table, such as `edges`, `outcomes` and `folds`.
    pub rows_max: usize,
    /// Maximum single records.
    pub records_max: usize,
    /// Maximum lead of a request's start over the collector's clock. A later start is moved.
    pub ahead_us_max: u64,
    /// Maximum age of a request's end. An earlier one is moved.
    pub age_us_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            strings_max: 65_536,
            rows_max: 16_384,
            records_max: 262_144,
            ahead_us_max: 10 * 60 * 1_000_000,
            age_us_max: 24 * 3600 * 1_000_000,
        }
    }
}

/// Counts the rows of an encoded batch before decoding allocates memory for them: a row can take
/// two bytes encoded and more than a hundred decoded.
///
/// # Errors
///
/// [`Rejection::TooMany`]. Invalid protobuf is left to the decoder, whose error is more precise.
pub fn rows_fit(message: &[u8], limits: &Limits) -> Result<(), Rejection> {
    let tables: [_; 8] = [
        (8, "strings", limits.strings_max),
        (9, "edges", limits.rows_max),
        (10, "outcomes", limits.rows_max),
        (12, "folds", limits.rows_max),
        (13, "in_flight", limits.rows_max),
        (14, "connections", limits.rows_max),
        (16, "messages", limits.rows_max),
        (17, "streams", limits.rows_max),
    ];
    let mut found = [0_usize; 8];
    for (number, _) in Fields::new(message).flatten() {
        for (found, (table, field, limit)) in found.iter_mut().zip(tables) {
            if table == number {
                *found += 1;
                tables::at_most(field, *found, limit)?;
            }
        }
    }
    Ok(())
}

/// Validates a batch and converts it to domain types. `now_us`: microseconds since the Unix epoch.
///
/// # Errors
///
/// The first [`Rejection`] found, from the cheapest check to the most expensive one.
pub fn check(batch: v1::Batch, limits: &Limits, now_us: u64) -> Result<Batch, Rejection> {
    head(&batch)?;
    let totals = totals(batch.ledger.as_ref().ok_or(Rejection::Ledger("is missing"))?)?;
    let identity = batch.identity.map(identity).transpose()?;
    let mut rejected = RejectedRows::default();
    let strings = tables::strings(batch.strings, limits)?;
    let edges = tables::edges(&batch.edges, &strings, limits, &mut rejected)?;
    let outcomes = tables::outcomes(&batch.outcomes, &strings, limits, &mut rejected)?;
    let details = tables::details(&batch.outcomes, &outcomes.valid, &strings);
    let rows = rows::Rows {
        edges: Valid::Each(&edges.valid),
        outcomes: Valid::Each(&outcomes.valid),
        times: BatchTimes::new(batch.base_time_unix_us, limits, now_us),
        limits,
    };
    let mut records = rows.records(&batch.records.unwrap_or_default(), &mut rejected)?;
    let mut folds = rows.folds(batch.folds, &mut rejected)?;
    let messages = rows.messages(&batch.messages, &mut rejected)?;
    let table = Edges::from(edges.rows);
    let in_flight = rows.in_flight(&batch.in_flight, &table, &mut rejected)?;
    let continued = batch.outcomes.iter().map(|outcome| outcome.continued).collect();
    let open_connections = rows.flows("connections", &batch.connections, &mut rejected)?;
    let connections =
        tcp::split(open_connections, continued, &outcomes.rows, &mut records.rows, &mut folds.rows);
    let streams = rows.flows("streams", &batch.streams, &mut rejected)?;
    let mut batch = Batch {
        epoch_id: EpochId { proxy: batch.proxy.into(), epoch: batch.epoch },
        sequence: batch.sequence,
        attempt: batch.attempt.max(1),
        identity,
        totals,
        edges: table,
        outcomes: outcomes.rows,
        details,
        records: records.rows,
        folds: folds.rows,
        in_flight,
        connections,
        streams,
        messages,
        rejected,
        moved: records.moved.saturating_add(folds.moved),
    };
    content_is_within_totals(&mut batch, 0)?;
    Ok(batch)
}

/// Validates the fields that identify a batch.
fn head(batch: &v1::Batch) -> Result<(), Rejection> {
    if batch.schema_version != SCHEMA_VERSION {
        return Err(Rejection::SchemaVersion(batch.schema_version));
    }
    if !(1..=TEXT_BYTES_MAX).contains(&batch.proxy.len()) {
        return Err(Rejection::Proxy(batch.proxy.len()));
    }
    if batch.epoch == 0 {
        return Err(Rejection::Epoch);
    }
    if batch.sequence == 0 {
        return Err(Rejection::Sequence);
    }
    Ok(())
}

/// Validates the totals of the epoch.
pub(super) fn totals(ledger: &v1::Ledger) -> Result<Totals, Rejection> {
    if ledger.dropped.len() > REASONS_MAX {
        return Err(Rejection::TooMany {
            field: "ledger.dropped",
            found: ledger.dropped.len(),
            limit: REASONS_MAX,
        });
    }
    let sum = [ledger.sent_total, ledger.folded_total, ledger.buffered]
        .into_iter()
        .chain(ledger.dropped.iter().map(|drop| drop.count_total))
        .try_fold(0_u64, u64::checked_add);
    match sum {
        None => return Err(Rejection::Ledger("overflows")),
        Some(sum) if sum != ledger.seen_total => {
            return Err(Rejection::Ledger("does not add up: seen != sent + folded + dropped + buffered"));
        }
        Some(_) => {}
    }
    Ok(Totals {
        seen: ledger.seen_total,
        sent: ledger.sent_total,
        folded: ledger.folded_total,
        dropped: ledger.dropped.iter().map(|drop| (reason(drop.reason), drop.count_total)).collect(),
        buffered: ledger.buffered,
    })
}

fn reason(number: i32) -> DropReason {
    match v1::DropReason::try_from(number) {
        Ok(v1::DropReason::FoldTableFull) => DropReason::FoldTableFull,
        Ok(v1::DropReason::Rejected) => DropReason::BatchRejected,
        Ok(v1::DropReason::TooLarge) => DropReason::TooLarge,
        // Reasons become labels, so that their number is limited.
        Ok(v1::DropReason::Unspecified) | Err(_) if (1..REASONS_MAX as i32).contains(&number) => {
            DropReason::Unknown(number)
        }
        Ok(v1::DropReason::Unspecified) | Err(_) => DropReason::Unknown(0),
    }
}

/// Validates the identity of a proxy.
pub(super) fn identity(wire: v1::Identity) -> Result<Identity, Rejection> {
    let text = |field: &'static str, text: String| -> Result<Text, Rejection> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(Rejection::Identity { field, problem: "is longer than 512 bytes" });
        }
        Ok(text.into())
    };
    let addresses = wire.addresses.into_iter().take(ADDRESSES_MAX);
    Ok(Identity {
        workload: text("workload", wire.workload)?,
        namespace: text("namespace", wire.namespace)?,
        app: text("app", wire.app)?,
        version: text("version", wire.version)?,
        canonical_service: text("canonical_service", wire.canonical_service)?,
        canonical_revision: text("canonical_revision", wire.canonical_revision)?,
        service_account: text("service_account", wire.service_account)?,
        cluster: text("cluster", wire.cluster)?,
        addresses: addresses.map(|address| text("addresses", address)).collect::<Result<_, _>>()?,
        filter_version: text("filter_version", wire.filter_version)?,
        config_hash: wire.config_hash,
        source: match v1::Source::try_from(wire.source) {
            Ok(v1::Source::AccessLog) => Source::AccessLog,
            Ok(v1::Source::Filter) | Err(_) => Source::Filter,
        },
    })
}

/// Checks that the batch does not contain more requests than its totals, which would make ledger
/// entries negative. `unread`: single records that are not decoded yet.
///
/// The count of a rejected fold row can be the value that is wrong: it counts only as far as the
/// totals allow.
pub(super) fn content_is_within_totals(batch: &mut Batch, unread: usize) -> Result<(), Rejection> {
    let (single, folded) = batch.content();
    let rejected = batch.rejected.total();
    let single = single.saturating_add(unread as u64).saturating_add(rejected.single);
    if single > batch.totals.sent {
        return Err(Rejection::Ledger("sent_total is less than the records of this batch"));
    }
    // A saturated sum is not exact.
    if folded > batch.totals.folded || folded == u64::MAX {
        return Err(Rejection::Ledger("folded_total is less than the folded requests of this batch"));
    }
    batch.rejected.limit_folded(batch.totals.folded.saturating_sub(folded));
    Ok(())
}

#[cfg(test)]
mod tests;
