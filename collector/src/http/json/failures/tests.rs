use super::{Before, Query, step};
use crate::http::json::page::Position;
use crate::http::json::parameters::Parameters;
use hopscope_core::batch::{Detail, Edge, Identity, Outcome, Record, Service};
use hopscope_core::identity::{self, AddressBook};
use hopscope_core::recent::failures::{FailedRecord, Failures, Settings};
use std::sync::Arc;

/// Parameters in, `number:workload` of all rows out.
#[track_caller]
fn check(query: &str, expected: &str) {
    let mut failures = Failures::new(Settings::default());
    for (workload, flags, hash) in [("a", 2, 7), ("b", 0, 0xab), ("a", 6, 9), ("c", 4, 0xab)] {
        let own = Identity { workload: workload.into(), ..Identity::default() };
        let service = Service { host: "pay.shop.svc".into(), name: "pay".into(), ..Service::default() };
        let edge = Edge { service, ..Edge::default() };
        let named = Arc::new(AddressBook::new(identity::Settings::default()).resolve(&own, &edge));
        let outcome = Outcome { response_flags: flags, ..Outcome::default() };
        let record = Record { request_id_hash: hash, ..Record::default() };
        failures.put(&named, [FailedRecord::of(&record, &"p".into(), outcome, Detail::default(), 1)], 1);
    }
    let mut parameters = Parameters::parse(query);
    let read = Query::read(&mut parameters).and_then(|query| parameters.finish().map(|()| query));
    let answer = match read {
        Ok(query) => {
            let (mut found, mut position) = (Vec::new(), Some(Before::start()));
            while let Some(Before(number)) = position {
                let (rows, next) = step(&failures, &query.filter, number);
                found.extend(rows.iter().map(|row| format!("{}:{}", row.number, row.edge.source.workload)));
                position = next;
            }
            found.join(" ")
        }
        Err(problem) => problem.to_string(),
    };
    assert_eq!(answer, expected);
}

#[test]
fn failures_are_selected_by_edge_flag_request_and_number() {
    check("", "4:c 3:a 2:b 1:a");
    check("after=2", "4:c 3:a");
    check("after=4", "");
    check("workload=a", "3:a 1:a");
    check("service=pay&flag=UH", "3:a 1:a");
    check("service=pay%2eshop%2Esvc&request_id_hash=000000ab", "4:c 2:b");
    check("reporter=waypoint", "");
}

#[test]
fn bad_parameters_are_errors() {
    check("flag=XX", "bad value `XX` of parameter `flag`: allowed is a response flag of Envoy, such as UF");
    check("reporter=x", "bad value `x` of parameter `reporter`: allowed is source, destination or waypoint");
    check(
        "x=1",
        "unknown parameter `x`: allowed are workload, service, reporter, flag, request_id_hash, after, limit, cursor",
    );
}
