//! Batches of the good client, of the load before an attack, and of attacks.

use hopscope_proto::v1::{Batch, Edge, Identity, Ledger, Outcome, Records};
use std::time::{SystemTime, UNIX_EPOCH};

/// Batch `sequence` of a proxy with `records` requests to services from `first_service` on.
pub(crate) fn batch(proxy: &str, sequence: u64, records: u32, first_service: u32, edges: u32) -> Batch {
    let now_us = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
    let names = (0..edges).map(|edge| format!("s{}.shop.svc.cluster.local", first_service + edge));
    let rows = records as usize;
    Batch {
        schema_version: 1,
        proxy: format!("sidecar~10.0.0.1~{proxy}.shop~shop.svc.cluster.local"),
        epoch: 7,
        sequence,
        identity: Some(Identity { workload: proxy.into(), namespace: "shop".into(), ..Identity::default() }),
        ledger: Some(Ledger {
            seen_total: sequence * u64::from(records),
            sent_total: sequence * u64::from(records),
            ..Ledger::default()
        }),
        base_time_unix_us: u64::try_from(now_us).unwrap(),
        strings: std::iter::once(String::new()).chain(names).collect(),
        edges: (1..=edges)
            .map(|name| Edge { reporter: 1, service_host: name, service_evidence: 1, ..Edge::default() })
            .collect(),
        outcomes: vec![Outcome { response_code: 200, protocol: 1, ..Outcome::default() }],
        records: Some(Records {
            edge: (0..records).map(|record| record % edges).collect(),
            outcome: vec![0; rows],
            start_delta_us: vec![0; rows],
            duration_us: vec![7_000; rows],
            request_bytes: vec![10; rows],
            response_bytes: vec![20; rows],
            request_id_hash: (1..=records).collect(),
            attempts: vec![1; rows],
        }),
        ..Batch::default()
    }
}
