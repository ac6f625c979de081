//! Response flags caused by Istio's own objects: each attributed to the intended destination, and
//! reported by the right sides.

use super::traffic::{Load, begin, send};
use super::{Applied, Outcome, Series, scenario_file, wait_until_pushed};
use crate::istio::site::Site;
use crate::istio::{pods, run};
use std::time::Duration;

const FROM: &str = "frontend-v1";

/// Requests for each cause.
const REQUESTS: u64 = 10;

/// A cause, and the expected series of each side.
struct Case {
    what: &'static str,
    host: &'static str,
    path: &'static str,
    /// Labels of the caller's series.
    source: &'static str,
    /// Labels of the destination's series, and their count for each request; none where the request
    /// never arrives.
    destination: Option<(&'static str, u64)>,
}

const CASES: [Case; 8] = [
    Case {
        what: "no matching route",
        host: "no-route",
        path: "/",
        source: "response_code=404 response_flags=NR",
        destination: None,
    },
    Case {
        what: "a subset without endpoints",
        host: "no-endpoints",
        path: "/",
        source: "response_code=503 response_flags=UH",
        destination: None,
    },
    Case {
        what: "timeout",
        host: "impatient",
        path: "/delay/2000",
        source: "response_code=504 response_flags=UT",
        destination: Some(("response_code=0", 1)),
    },
    Case {
        what: "retries exhausted",
        host: "insistent",
        path: "/status/503",
        source: "response_code=503 response_flags=URX",
        destination: Some(("response_code=503", 3)),
    },
    Case {
        what: "fault: abort",
        host: "aborted",
        path: "/",
        source: "response_code=500 response_flags=FI",
        destination: None,
    },
    Case {
        what: "fault: delay",
        host: "delayed",
        path: "/",
        source: "response_code=200 response_flags=DI",
        destination: Some(("response_code=200 response_flags=-", 1)),
    },
    Case {
        what: "AuthorizationPolicy denies",
        host: "backend",
        path: "/denied",
        source: "response_code=403 response_flags=-",
        destination: Some(("response_code=403", 1)),
    },
    Case {
        what: "STRICT PeerAuthentication, caller configured for plaintext",
        host: "plaintext",
        path: "/",
        source: "response_code=503 response_flags~U",
        destination: None,
    },
];

/// Runs the scenario.
pub(super) fn execute(outcome: &mut Outcome) -> anyhow::Result<()> {
    let _applied = Applied::new(&scenario_file("flags.yaml")?)?;
    if Site::here() == Site::Namespaces {
        pods::sync_endpoints()?;
    }
    wait_until_pushed()?;
    // A changed policy applies to new connections; earlier ones are drained.
    run::wait_for("the policies in force", Duration::from_secs(60), || {
        let denied = send(FROM, "http://backend.shop:8080/denied", 20, 40)?.with("403");
        Ok((denied == 20).then_some(()))
    })?;
    let before = Series::when_quiet()?;
    let mut loads = Vec::new();
    for case in &CASES {
        loads.push(send(FROM, &format!("http://{}.shop:8080{}", case.host, case.path), REQUESTS, 20)?);
    }
    let seen = Series::when_quiet()?.since(&before);
    for (case, load) in CASES.iter().zip(&loads) {
        case.check(outcome, load, &seen);
    }
    limits(outcome)?;
    ejection(outcome)?;
    shift(outcome)
}

impl Case {
    fn check(&self, outcome: &mut Outcome, load: &Load, seen: &Series) {
        // A service that was never reached is known by the name in the request.
        let meant = format!("destination_service~{}.shop", self.host);
        let by_source = seen.sum(&format!("reporter=source source_workload={FROM} {meant} {}", self.source));
        let (labels, times) = self.destination.unwrap_or(("", 0));
        let by_destination =
            seen.sum(&format!("reporter=destination source_workload={FROM} {meant} {labels}"));
        let passed = by_source == REQUESTS && by_destination == REQUESTS * times;
        let shown =
            if passed { seen.show(&meant) } else { format!("client {}; {}", load.show(), seen.show("")) };
        outcome.check(
            self.what,
            passed,
            format!("{by_source} by the source, {by_destination} by the destination; {shown}"),
        );
    }
}

fn limits(outcome: &mut Outcome) -> anyhow::Result<()> {
    let before = Series::when_quiet()?;
    let arguments =
        "load --url http://limited.shop:8080/delay/300 --requests 12 --rate 1000 --parallel 12 --seconds 20";
    let load = begin(FROM, arguments)?.end()?;
    let seen = Series::when_quiet()?.since(&before);
    let meant = "destination_service=limited.shop.svc.cluster.local";
    let refused = seen.sum(&format!("reporter=source {meant} response_code=503 response_flags=UO"));
    let served = seen.sum(&format!("reporter=source {meant} response_code=200"));
    let by_destination = seen.sum(&format!("reporter=destination {meant} response_code=200"));
    outcome.check(
        "connectionPool limits",
        refused > 0 && refused == load.with("503") && served == load.with("200") && by_destination == served,
        format!(
            "{refused} UO and {served} served of 12, {by_destination} by the destination; client {}; {}",
            load.show(),
            seen.show("")
        ),
    );
    Ok(())
}

fn ejection(outcome: &mut Outcome) -> anyhow::Result<()> {
    let before = Series::when_quiet()?;
    let load = send(FROM, "http://ejected.shop:8080/status/500", 60, 20)?;
    let seen = Series::when_quiet()?.since(&before);
    let meant = "destination_service=ejected.shop.svc.cluster.local";
    let failed = seen.sum(&format!("reporter=source {meant} response_code=500 response_flags=-"));
    let by_destination = seen.sum(&format!("reporter=destination {meant} response_code=500"));
    let ejected = seen.sum(&format!("reporter=source {meant} response_code=503 response_flags=UH"));
    outcome.check(
        "outlier ejection",
        ejected > 0 && failed == by_destination && failed + ejected == 60 && failed == load.with("500"),
        format!(
            "{failed} answered 500 ({by_destination} by the destination), then {ejected} UH; {}",
            seen.show("")
        ),
    );
    Ok(())
}

fn shift(outcome: &mut Outcome) -> anyhow::Result<()> {
    const SHIFTED: u64 = 1_000;
    let before = Series::when_quiet()?;
    let load = send(FROM, "http://backend.shop:8080/", SHIFTED, 200)?;
    let seen = Series::when_quiet()?.since(&before);
    let of = |reporter: &str, version: &str| {
        let meant = "destination_service=backend.shop.svc.cluster.local response_code=200";
        seen.sum(&format!("reporter={reporter} {meant} destination_version={version}"))
    };
    let (stable, canary) = (of("source", "v1"), of("source", "v2"));
    outcome.check(
        "subset split 90:10, both sides",
        load.with("200") == SHIFTED
            && stable + canary == SHIFTED
            && (stable, canary) == (of("destination", "v1"), of("destination", "v2"))
            && (50..=160).contains(&canary),
        format!(
            "{stable}:{canary} by the source, {}:{} by the destination",
            of("destination", "v1"),
            of("destination", "v2")
        ),
    );
    Ok(())
}
