//! `/api/v1/failures`: the last failed requests and connections in full.
//!
//! In: the store, and what is asked for. Out: rows in the order of their numbers. Always holds: without `after` they are the
//! last ones that fit, with it the first ones after it; `next` is where to go on, and nothing that fits lies before it.

use crate::http::labels::Values;
use hopscope_core::aggregate::Key;
use hopscope_core::batch::flags;
use hopscope_core::recent::failures::{Failures, Named};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

/// Rows of one answer, unless asked otherwise, and at most.
const LIMIT: usize = 100;
const LIMIT_MAX: usize = 10_000;

/// What is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Query {
    /// Of either end.
    workload: Option<String>,
    /// Host or short name.
    service: Option<String>,
    /// Bit of a response flag.
    flag: Option<u32>,
    request_id_hash: Option<u32>,
    after: Option<u64>,
    limit: Option<usize>,
}

impl Query {
    /// Reads the part of the address after `?`.
    pub(crate) fn read(query: &str) -> Result<Self, String> {
        let mut it = Self::default();
        for part in query.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let value = percent_decode_str(value).decode_utf8_lossy().into_owned();
            let wrong = |expected: &str| format!("`{part}` is not {name}={expected}");
            match name {
                "workload" => it.workload = Some(value),
                "service" => it.service = Some(value),
                "flag" => {
                    let flag = flags::find(&value).ok_or_else(|| wrong("FLAG, such as UF"))?;
                    it.flag = Some(flag.bit);
                }
                "request_id_hash" => {
                    let hash = u32::from_str_radix(&value, 16).ok();
                    it.request_id_hash = Some(hash.ok_or_else(|| wrong("HASH, eight hexadecimal digits"))?);
                }
                "after" => it.after = Some(value.parse().map_err(|_| wrong("NUMBER"))?),
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
                    it.limit = Some(limit.ok_or_else(|| wrong("a number from 1 to 10000"))?);
                }
                _ => {
                    let known = "workload, service, flag, request_id_hash, after, limit";
                    return Err(format!("there is no `{name}`; there are {known}"));
                }
            }
        }
        Ok(it)
    }

    fn fits(&self, row: &Named) -> bool {
        let edge = &row.edge;
        let ends = [&edge.source.workload, &edge.destination.workload];
        let services = [&*edge.service.host, &*edge.service.name];
        let short = edge.service.host.split('.').next().unwrap_or_default();
        self.workload.as_ref().is_none_or(|wanted| ends.iter().any(|workload| ***workload == **wanted))
            && self.service.as_ref().is_none_or(|wanted| services.contains(&&**wanted) || short == wanted)
            && self.flag.is_none_or(|bit| row.failed.outcome.response_flags >> bit & 1 == 1)
            && self.request_id_hash.is_none_or(|hash| row.failed.request_id_hash == hash)
    }
}

/// The answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureRows {
    /// The oldest first.
    pub failures: Vec<FailureRow>,
    /// The `after` of the next question.
    pub next: u64,
}

/// One failed request or connection. Labels as in `/metrics`; times in microseconds since the Unix epoch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureRow {
    /// Rises from one to the next.
    pub number: u64,
    /// When it was told, by the collector's clock.
    pub received_us: u64,
    /// When it began, by its proxy's clock.
    pub start_us: u64,
    /// How long it took.
    pub duration_us: u64,
    /// `source`, `destination` or `waypoint`.
    pub reporter: String,
    /// Envoy's node id.
    pub proxy: String,
    /// Who called.
    pub source_workload: String,
    /// Its namespace.
    pub source_namespace: String,
    /// Its version.
    pub source_version: String,
    /// Who was called, or meant.
    pub destination_workload: String,
    /// Its namespace.
    pub destination_namespace: String,
    /// Its version.
    pub destination_version: String,
    /// The service that was meant.
    pub destination_service: String,
    /// HTTP status; `0` when no response headers were sent.
    pub response_code: String,
    /// Envoy's flags, `-` for none.
    pub response_flags: String,
    /// gRPC status; empty where there is none.
    pub grpc_response_status: String,
    /// `http`, `grpc`, `tcp`.
    pub request_protocol: String,
    /// What the name of the other side rests on.
    pub peer_evidence: String,
    /// `response.code_details`.
    pub code_details: String,
    /// `upstream.transport_failure_reason`.
    pub transport_failure_reason: String,
    /// Headers and body.
    pub request_bytes: u64,
    /// Headers and body.
    pub response_bytes: u64,
    /// The hash of its request id, eight hexadecimal digits; empty when it had none.
    pub request_id_hash: String,
    /// Attempts that a source made; of a destination which attempt of its caller it is; 0 not known, or none.
    pub attempts: u32,
}

/// The rows that are asked for.
pub(crate) fn rows(failures: &Failures, query: &Query) -> FailureRows {
    let limit = query.limit.unwrap_or(LIMIT);
    let fits = failures.after(query.after.unwrap_or(0)).filter(|row| query.fits(row));
    let mut rows: Vec<FailureRow> = match query.after {
        Some(_) => fits.take(limit).map(row).collect(),
        None => fits.rev().take(limit).map(row).collect(),
    };
    if query.after.is_none() {
        rows.reverse();
    }
    let cut = rows.last().filter(|_| query.after.is_some() && rows.len() == limit);
    let next = cut.map_or(failures.last(), |row| row.number);
    FailureRows { failures: rows, next }
}

fn row(named: &Named) -> FailureRow {
    let Named { number, edge, failed } = named;
    let key = Key::Edge(edge.clone(), failed.outcome);
    let values = Values::of(&key);
    let hash = failed.request_id_hash;
    FailureRow {
        number: *number,
        received_us: failed.received_us,
        start_us: failed.start_us,
        duration_us: failed.duration_us,
        reporter: values.get("reporter"),
        proxy: failed.proxy.to_string(),
        source_workload: values.get("source_workload"),
        source_namespace: values.get("source_workload_namespace"),
        source_version: values.get("source_version"),
        destination_workload: values.get("destination_workload"),
        destination_namespace: values.get("destination_workload_namespace"),
        destination_version: values.get("destination_version"),
        destination_service: values.get("destination_service"),
        response_code: values.get("response_code"),
        response_flags: values.get("response_flags"),
        grpc_response_status: values.get("grpc_response_status"),
        request_protocol: values.get("request_protocol"),
        peer_evidence: values.get("peer_evidence"),
        code_details: failed.detail.code_details.to_string(),
        transport_failure_reason: failed.detail.transport_failure_reason.to_string(),
        request_bytes: failed.request_bytes,
        response_bytes: failed.response_bytes,
        request_id_hash: if hash == 0 { String::new() } else { format!("{hash:08x}") },
        attempts: failed.attempts,
    }
}

#[cfg(test)]
mod tests {
    use super::{Query, rows};
    use hopscope_core::batch::{Detail, Edge, Identity, Outcome, Record, Service};
    use hopscope_core::identity::{self, AddressBook};
    use hopscope_core::recent::failures::{Failed, Failures, Settings};
    use std::sync::Arc;

    /// A question in, `number:workload` of the rows and `next` out.
    #[track_caller]
    fn check(question: &str, expected: &str) {
        let mut failures = Failures::new(Settings::default());
        for (workload, flags, hash) in [("a", 2, 7), ("b", 0, 0xab), ("a", 6, 9), ("c", 4, 0xab)] {
            let own = Identity { workload: workload.into(), ..Identity::default() };
            let service = Service { host: "pay.shop.svc".into(), name: "pay".into(), ..Service::default() };
            let edge = Edge { service, ..Edge::default() };
            let named = Arc::new(AddressBook::new(identity::Settings::default()).resolve(&own, &edge));
            let outcome = Outcome { response_flags: flags, ..Outcome::default() };
            let record = Record { request_id_hash: hash, ..Record::default() };
            failures.put(&named, [Failed::of(&record, &"p".into(), outcome, Detail::default(), 1)], 1);
        }
        let answer = match Query::read(question) {
            Ok(query) => {
                let found = rows(&failures, &query);
                let row = |row: &super::FailureRow| format!("{}:{}", row.number, row.source_workload);
                let told: Vec<String> = found.failures.iter().map(row).collect();
                format!("{} next {}", told.join(" "), found.next)
            }
            Err(problem) => problem,
        };
        assert_eq!(answer, expected);
    }

    #[test]
    fn questions() {
        check("", "1:a 2:b 3:a 4:c next 4");
        check("limit=2", "3:a 4:c next 4");
        check("after=0&limit=2", "1:a 2:b next 2");
        check("after=2&limit=2", "3:a 4:c next 4");
        check("after=3&workload=a", " next 4");
        check("workload=a", "1:a 3:a next 4");
        check("service=pay&flag=UH", "1:a 3:a next 4");
        check("service=pay%2eshop%2Esvc&request_id_hash=000000ab", "2:b 4:c next 4");
        check("flag=XX", "`flag=XX` is not flag=FLAG, such as UF");
        check("limit=0", "`limit=0` is not limit=a number from 1 to 10000");
        check("x=1", "there is no `x`; there are workload, service, flag, request_id_hash, after, limit");
    }
}
