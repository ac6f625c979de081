//! Validation of a decoded batch, and its conversion to domain types.
//!
//! In: a decoded batch, the limits, and the time.
//! Out: a [`Batch`], or the first [`Rejection`] found.
//! Invariant: a valid batch satisfies every rule of `hopscope/v1/telemetry.proto`; a batch is
//! accepted as a whole or rejected as a whole.

pub(super) mod tables;
pub(super) mod rows;
mod messages;
pub(super) mod in_flight;
mod tcp;

use super::proto_fields::Fields;
use super::reject::Rejection;
use crate::batch::{Batch, DropReason, Edges, EpochId, Identity, Source, Text, Totals};
use hopscope_proto::v1::{self, SCHEMA_VERSION};

/// Longest text: the name of the proxy, and each entry of `strings`.
pub const TEXT_BYTES_MAX: usize = 512;
/// Number of addresses of an identity that are read; further ones are ignored.
pub const ADDRESSES_MAX: usize = 16;
/// Exclusive limit of durations: 7 days.
pub const DURATION_US_MAX: u64 = 7 * 24 * 3600 * 1_000_000;

/// Limits of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Maximum entries of `strings`.
    pub strings_max: usize,
    /// Maximum rows of each other table, such as `edges`, `outcomes` and `folds`.
    pub rows_max: usize,
    /// Maximum single records.
    pub records_max: usize,
    /// Maximum lead of a request's start over the collector's clock.
    pub ahead_us_max: u64,
    /// Maximum age of a request's end.
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
    let tables: [_; 7] = [
        (8, "strings", limits.strings_max),
        (9, "edges", limits.rows_max),
        (10, "outcomes", limits.rows_max),
        (12, "folds", limits.rows_max),
        (14, "connections", limits.rows_max),
        (16, "messages", limits.rows_max),
        (17, "streams", limits.rows_max),
    ];
    let mut found = [0_usize; 7];
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
    let totals = totals(batch.ledger.as_ref().ok_or(Rejection::Ledger("is missing"))?)?;
    let identity = batch.identity.map(identity).transpose()?;
    let strings = tables::strings(batch.strings, limits)?;
    let edges = Edges::from(tables::edges(&batch.edges, &strings, limits)?);
    let outcomes = tables::outcomes(&batch.outcomes, strings.len(), limits)?;
    let details = tables::details(&batch.outcomes, &strings);
    let rows = rows::Rows {
        edges: edges.len(),
        outcomes: outcomes.len(),
        base_us: batch.base_time_unix_us,
        now_us,
        limits,
    };
    let mut records = rows.records(&batch.records.unwrap_or_default())?;
    let mut folds = rows.folds(batch.folds)?;
    let messages = rows.messages(&batch.messages)?;
    let open = in_flight::open(&batch.open, &edges)?;
    let continued = batch.outcomes.iter().map(|outcome| outcome.continued).collect();
    let requests = (&mut records, &mut folds);
    let connections = tcp::split(&batch.connections, continued, &outcomes, edges.len(), requests, limits)?;
    let streams = tcp::flows(&batch.streams, ("streams", "streams.edge"), edges.len(), limits)?;
    let batch = Batch {
        epoch_id: EpochId { proxy: batch.proxy.into(), epoch: batch.epoch },
        sequence: batch.sequence,
        attempt: batch.attempt.max(1),
        identity,
        totals,
        edges,
        outcomes,
        details,
        records,
        folds,
        open,
        connections,
        streams,
        messages,
    };
    content_is_within_totals(&batch, 0)?;
    Ok(batch)
}

/// Validates the totals of the epoch.
pub(super) fn totals(ledger: &v1::Ledger) -> Result<Totals, Rejection> {
    // One row per known reason; a valid client sends far fewer.
    const REASONS_MAX: usize = 32;
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
        Ok(v1::DropReason::Refused) => DropReason::Refused,
        Ok(v1::DropReason::TooLarge) => DropReason::TooLarge,
        Ok(v1::DropReason::Unspecified) | Err(_) => DropReason::Unknown(number),
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
pub(super) fn content_is_within_totals(batch: &Batch, unread: usize) -> Result<(), Rejection> {
    let (single, folded) = batch.content();
    if single.saturating_add(unread as u64) > batch.totals.sent {
        return Err(Rejection::Ledger("sent_total is less than the records of this batch"));
    }
    // A saturated sum is not exact.
    if folded > batch.totals.folded || folded == u64::MAX {
        return Err(Rejection::Ledger("folded_total is less than the folded requests of this batch"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
