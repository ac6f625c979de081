//! Random changes of an engine: batches of a few proxies that call each other, ticks, limits and
//! ends of epochs.

use crate::runtime::engine_handle::{EngineHandle, PendingAck};
use hopscope_core::engine::Settings;
use hopscope_core::intake::raw_batch::RawBatch;
use hopscope_core::intake::validate;
use hopscope_proto::v1::{Batch, Edge, Identity, Ledger, Outcome, Records};
use proptest::prelude::*;
use prost::Message;

/// Time of the first batch, microseconds since the Unix epoch.
pub(super) const START_US: u64 = 1_700_000_000_000_000;
const PROXIES: u64 = 4;
const ROWS: u64 = 8;

/// One change.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Batch {
        proxy: u64,
        identity: bool,
        seed: u64,
    },
    /// A tick after so many milliseconds.
    Tick(u64),
    Limits {
        series_max: usize,
        edges_max: usize,
    },
    EndEpoch(u64),
}

pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let batch = (0..PROXIES, any::<bool>(), any::<u64>());
    let step = prop_oneof![
        6 => batch.prop_map(|(proxy, identity, seed)| Step::Batch { proxy, identity, seed }),
        4 => (0..6_000_u64).prop_map(Step::Tick),
        1 => (1..12_usize, 1..12_usize)
            .prop_map(|(series_max, edges_max)| Step::Limits { series_max, edges_max }),
        1 => (0..PROXIES).prop_map(Step::EndEpoch),
    ];
    proptest::collection::vec(step, 1..60)
}

/// Proxies and their time.
pub(super) struct Traffic {
    now_us: u64,
    sequences: [u64; PROXIES as usize],
    sent: [u64; PROXIES as usize],
}

impl Default for Traffic {
    fn default() -> Self {
        Self { now_us: START_US, sequences: Default::default(), sent: Default::default() }
    }
}

impl Traffic {
    /// Applies a step; returns the acknowledgement of a batch.
    pub(super) fn apply(&mut self, step: &Step, handle: &EngineHandle) -> Option<PendingAck> {
        match *step {
            Step::Batch { proxy, identity, seed } => {
                return Some(handle.submit(self.batch(proxy, identity, seed)).unwrap());
            }
            Step::Tick(ms) => {
                self.now_us += ms * 1_000;
                handle.tick(self.now_us);
            }
            Step::Limits { series_max, edges_max } => {
                let mut limits = Settings::default();
                limits.aggregate.series_max = series_max;
                limits.join.edges_max = edges_max;
                handle.set_limits(&limits);
            }
            Step::EndEpoch(proxy) => {
                let epoch = 1_000 + proxy;
                handle.end_epoch(hopscope_core::batch::EpochId { proxy: name(proxy).into(), epoch });
            }
        }
        None
    }

    /// Next batch of a proxy: calls to a service, calls from the neighbour, calls from an unknown
    /// address.
    pub(super) fn batch(&mut self, proxy: u64, identity: bool, seed: u64) -> RawBatch {
        let mut random = seed | 1;
        let mut column = |modulus: u64| -> Vec<u64> {
            let mut next = || {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                random % modulus
            };
            (0..ROWS).map(|_| next()).collect()
        };
        let small =
            |column: Vec<u64>| column.into_iter().map(|value| u32::try_from(value).unwrap()).collect();
        let index = usize::try_from(proxy).unwrap();
        self.sequences[index] += 1;
        self.sent[index] += ROWS;
        self.now_us += 1_000;
        let sent_total = self.sent[index];
        let batch = Batch {
            schema_version: 1,
            proxy: name(proxy),
            epoch: 1_000 + proxy,
            sequence: self.sequences[index],
            identity: identity.then(|| Identity {
                workload: format!("workload-{proxy}"),
                addresses: vec![format!("10.0.0.{proxy}")],
                ..Identity::default()
            }),
            ledger: Some(Ledger { seen_total: sent_total, sent_total, ..Ledger::default() }),
            base_time_unix_us: self.now_us,
            strings: ["", "pay.shop.svc.cluster.local", &format!("10.0.0.{}", proxy ^ 1), "10.9.9.9"]
                .map(str::to_owned)
                .to_vec(),
            edges: vec![
                Edge { reporter: 1, service_host: 1, service_evidence: 1, ..Edge::default() },
                Edge { reporter: 2, peer_address: 2, ..Edge::default() },
                Edge { reporter: 2, peer_address: 3, ..Edge::default() },
            ],
            outcomes: vec![
                Outcome { response_code: 200, protocol: 1, ..Outcome::default() },
                Outcome { response_code: 503, response_flags: 64, protocol: 1, ..Outcome::default() },
            ],
            records: Some(Records {
                edge: small(column(3)),
                outcome: small(column(2)),
                start_delta_us: vec![0; ROWS as usize],
                duration_us: column(50_000),
                request_bytes: column(1_000),
                response_bytes: column(1_000),
                request_id_hash: small(column(30)),
                attempts: vec![1; ROWS as usize],
            }),
            ..Batch::default()
        };
        RawBatch::read(&batch.encode_to_vec().into(), &validate::Limits::default(), self.now_us).unwrap()
    }
}

fn name(proxy: u64) -> String {
    format!("sidecar~10.0.0.{proxy}~p{proxy}.shop~shop.svc.cluster.local")
}
