//! `/api/v1/failures`: the latest failed requests and connections in full, newest first.
//!
//! A client that follows the list sends `last` of its previous walk as `after`, walks to the last
//! page, and so receives every stored failure once.

use super::edge_filter::EdgeFilter;
use super::labels::{EdgeLabels, OutcomeLabels};
use super::page::{Page, Position, Step, View};
use super::parameters::{BadParameter, Parameters};
use hopscope_core::batch::flags;
use hopscope_core::recent::failures::{Failure, Failures};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

pub(crate) const PATH: &str = "/api/v1/failures";

/// Number above all failures that are still to be returned.
#[derive(Debug, Clone)]
struct Before(u64);

impl Position for Before {
    fn start() -> Self {
        Self(u64::MAX)
    }

    fn encode(&self) -> String {
        self.0.to_string()
    }

    fn decode(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }
}

/// Parameters of a request.
pub(crate) struct Query {
    filter: Arc<Filter>,
    page: Page<Before>,
}

/// Conditions that a failure has to meet.
struct Filter {
    edge: EdgeFilter,
    /// Bit of a response flag.
    flag: Option<u32>,
    request_id_hash: Option<u32>,
    /// Only failures with a higher number.
    after: u64,
}

impl Query {
    pub(crate) fn read(parameters: &mut Parameters) -> Result<Self, BadParameter> {
        let edge = EdgeFilter::read(parameters)?;
        let find = |text: &str| flags::find(text).map(|flag| flag.bit);
        let flag = parameters.value("flag", "a response flag of Envoy, such as UF", find)?;
        let hash = |text: &str| u32::from_str_radix(text, 16).ok();
        let request_id_hash = parameters.value("request_id_hash", "eight hexadecimal digits", hash)?;
        let after = parameters.value("after", "the number of a failure", |text| text.parse().ok())?;
        let filter = Filter { edge, flag, request_id_hash, after: after.unwrap_or(0) };
        Ok(Self { filter: Arc::new(filter), page: Page::read(parameters, "failures")? })
    }
}

impl Filter {
    fn matches(&self, Failure { edge, failed, .. }: &Failure) -> bool {
        self.edge.matches(edge)
            && self.flag.is_none_or(|bit| failed.outcome.response_flags >> bit & 1 == 1)
            && self.request_id_hash.is_none_or(|hash| failed.request_id_hash == hash)
    }
}

/// One page of the failures.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureRows {
    /// Failures, the newest first.
    pub failures: Vec<FailureRow>,
    /// Number of the newest failure. As `after`, it selects the failures that come later.
    pub last: u64,
    /// Cursor of the next page; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// One failed request or connection. Labels as in `/metrics`; times in microseconds since the Unix
/// epoch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureRow {
    /// Number, which increases from failure to failure.
    pub number: u64,
    /// Time of arrival, by the collector's clock.
    pub received_us: u64,
    /// Start of the request, by the clock of the proxy.
    pub start_us: u64,
    /// Duration of the request.
    pub duration_us: u64,
    /// Envoy's node id.
    pub proxy: String,
    /// Source, destination and reporter.
    #[serde(flatten)]
    pub edge: EdgeLabels,
    /// Result.
    #[serde(flatten)]
    pub outcome: OutcomeLabels,
    /// `response.code_details`.
    pub code_details: String,
    /// `upstream.transport_failure_reason`.
    pub transport_failure_reason: String,
    /// Bytes of headers and body.
    pub request_bytes: u64,
    /// Bytes of headers and body.
    pub response_bytes: u64,
    /// Hash of the request id, eight hexadecimal digits; empty without a request id.
    pub request_id_hash: String,
    /// At the source, the number of attempts; at the destination, the number of this attempt; 0
    /// when unknown.
    pub attempts: u32,
}

/// Reads one page.
pub(crate) fn rows(view: &View, query: &Query) -> Option<FailureRows> {
    let last = view.read(|engine| engine.failures().last())?;
    let Query { filter, page } = query;
    // Failures that arrive after `last` was read belong to the next walk.
    let Before(start) = page.start();
    let mut page = page.clone();
    page.cursor = Some(Before(start.min(last.saturating_add(1))));
    let filter = filter.clone();
    let (rows, next_cursor) =
        view.page(&page, move |engine, Before(number), _| step(engine.failures(), &filter, number))?;
    Some(FailureRows { failures: rows.iter().map(row).collect(), last, next_cursor })
}

fn step(failures: &Failures, filter: &Filter, number: u64) -> Step<Before, Failure> {
    let Some(named) = failures.before(number).filter(|named| named.number > filter.after) else {
        return (Vec::new(), None);
    };
    let row = filter.matches(named).then(|| named.clone());
    (row.into_iter().collect(), Some(Before(named.number)))
}

fn row(Failure { number, edge, failed }: &Failure) -> FailureRow {
    let hash = failed.request_id_hash;
    FailureRow {
        number: *number,
        received_us: failed.received_us,
        start_us: failed.start_us,
        duration_us: failed.duration_us,
        proxy: failed.proxy.to_string(),
        edge: EdgeLabels::from(&**edge),
        outcome: OutcomeLabels::from(&failed.outcome),
        code_details: failed.detail.code_details.to_string(),
        transport_failure_reason: failed.detail.transport_failure_reason.to_string(),
        request_bytes: failed.request_bytes,
        response_bytes: failed.response_bytes,
        request_id_hash: if hash == 0 { String::new() } else { format!("{hash:08x}") },
        attempts: failed.attempts,
    }
}

#[cfg(test)]
mod tests;
