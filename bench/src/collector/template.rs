//! Encoded batches that are sent as new ones in each round.
//!
//! In: the hops of one round. Out: messages.
//! Invariant: a message differs from its template in sequence, totals, time and request ids only,
//! so that generating it costs little beside ingesting it; both sides of a hop have one request id.

use super::mesh::{Hop, Mesh, Proxy};
use hopscope_proto::v1;
use prost::Message;
use std::collections::HashMap;

/// One batch of one proxy.
#[derive(Debug)]
pub(crate) struct Template {
    /// Index into [`Mesh::proxies`].
    pub(crate) proxy: usize,
    /// Records in it.
    pub(crate) records: u64,
    /// Start of its first request, microseconds since the start of the round.
    pub(crate) start_us: u64,
    tables: Vec<u8>,
    columns: v1::Records,
}

/// Content of one record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) hop: Hop,
    pub(super) is_source: bool,
    pub(super) attempt: u32,
}

/// Batches of a round by the reporting side, both in the order of time.
#[derive(Debug)]
pub(crate) struct Round {
    pub(crate) sources: Vec<Template>,
    pub(crate) destinations: Vec<Template>,
}

impl Round {
    /// Batches with the records of these hops.
    pub(crate) fn new(mesh: &Mesh, hops: &[Hop], batch_records: usize) -> Self {
        Self {
            sources: templates(mesh, hops, batch_records, true),
            destinations: templates(mesh, hops, batch_records, false),
        }
    }
}

fn templates(mesh: &Mesh, hops: &[Hop], batch_records: usize, sources: bool) -> Vec<Template> {
    let mut templates: Vec<Template> = Vec::new();
    for (proxy, rows) in rows(mesh, hops, sources).into_iter().enumerate() {
        templates.extend(rows.chunks(batch_records).map(|rows| Template::new(mesh, proxy, rows)));
    }
    templates.sort_by_key(|template| template.start_us);
    templates
}

/// Records of one side of these hops, by proxy.
pub(super) fn rows(mesh: &Mesh, hops: &[Hop], sources: bool) -> Vec<Vec<Row>> {
    let mut rows: Vec<Vec<Row>> = vec![Vec::new(); mesh.proxies.len()];
    let mut push = |proxy: usize, row: Row| {
        if let Some(rows) = rows.get_mut(proxy) {
            rows.push(row);
        }
    };
    for hop in hops {
        let Some(&(from, to)) = mesh.edges.get(hop.edge) else { continue };
        if sources {
            push(from, Row { hop: *hop, is_source: true, attempt: hop.attempts });
            continue;
        }
        for attempt in 1..=hop.attempts {
            push(to, Row { hop: *hop, is_source: false, attempt });
        }
    }
    rows
}

impl Template {
    fn new(mesh: &Mesh, proxy: usize, rows: &[Row]) -> Self {
        let mut strings = Strings::new();
        let mut edges: Vec<v1::Edge> = Vec::new();
        let mut known: HashMap<(usize, bool), u32> = HashMap::new();
        let mut columns = v1::Records::default();
        let mut before_us = 0;
        for row in rows {
            let key = (row.hop.edge, row.is_source);
            let edge = *known.entry(key).or_insert_with(|| {
                edges.push(edge(mesh, &mut strings, row));
                u32::try_from(edges.len()).unwrap_or(u32::MAX).saturating_sub(1)
            });
            // The destination sees a request later and for a shorter time; its attempts follow each
            // other.
            let lag_us =
                if row.is_source { 0 } else { 100 + u64::from(row.attempt - 1) * row.hop.duration_us / 2 };
            let start_us = row.hop.start_us + lag_us;
            columns.edge.push(edge);
            columns.outcome.push(outcome(row));
            columns.start_delta_us.push(start_us.wrapping_sub(before_us).cast_signed());
            columns.duration_us.push(duration_us(row));
            columns.request_bytes.push(700 + u64::from(row.hop.id % 300));
            columns.response_bytes.push(200 + u64::from(row.hop.id % 5_000));
            columns.request_id_hash.push(row.hop.id | 1);
            columns.attempts.push(row.attempt);
            before_us = start_us;
        }
        let batch = v1::Batch {
            schema_version: v1::SCHEMA_VERSION,
            proxy: mesh.proxies.get(proxy).map(|proxy| proxy.name.clone()).unwrap_or_default(),
            strings: strings.list,
            edges,
            outcomes: outcomes(),
            ..v1::Batch::default()
        };
        let records = rows.len() as u64;
        let start_us = rows.first().map_or(0, |row| row.hop.start_us);
        Self { proxy, records, start_us, tables: batch.encode_to_vec(), columns }
    }

    /// The message with these head fields, and with request ids under a mask.
    pub(crate) fn message(&mut self, head: v1::Batch, id_mask: u32) -> Vec<u8> {
        // Protobuf merges the fields of one message in any order.
        let mut message = self.tables.clone();
        self.columns.request_id_hash.iter_mut().for_each(|id| *id ^= id_mask);
        let columns = std::mem::take(&mut self.columns);
        let batch = v1::Batch { records: Some(columns), ..head };
        message.reserve(batch.encoded_len());
        // Writing to a vector does not fail.
        let _ = batch.encode(&mut message);
        self.columns = batch.records.unwrap_or_default();
        self.columns.request_id_hash.iter_mut().for_each(|id| *id ^= id_mask);
        message
    }
}

pub(super) fn duration_us(row: &Row) -> u64 {
    let whole = row.hop.duration_us;
    match (row.is_source, row.hop.attempts) {
        (true, _) => whole,
        (false, 1) => whole - 200,
        (false, _) => whole / 2 - 200,
    }
}

const OK: u32 = 0;
const FAILED: u32 = 1;
const RETRIED: u32 = 2;

fn outcomes() -> Vec<v1::Outcome> {
    let http = v1::Outcome { protocol: v1::Protocol::Http.into(), ..v1::Outcome::default() };
    vec![
        v1::Outcome { response_code: 200, ..http },
        v1::Outcome { response_code: 503, response_flags: 1 << 6, ..http },
        v1::Outcome { response_code: 503, ..http },
    ]
}

fn outcome(row: &Row) -> u32 {
    match (row.hop.fails, row.is_source || row.attempt == row.hop.attempts) {
        (true, _) => FAILED,
        (false, true) => OK,
        (false, false) => RETRIED,
    }
}

fn edge(mesh: &Mesh, strings: &mut Strings, row: &Row) -> v1::Edge {
    let ends = mesh.edges.get(row.hop.edge).copied().unwrap_or_default();
    let (Some(from), Some(to)) = (mesh.proxies.get(ends.0), mesh.proxies.get(ends.1)) else {
        return v1::Edge::default();
    };
    let mut text = |text: String| strings.index(text);
    let principal = |proxy: &Proxy| format!("spiffe://cluster.local/ns/shop/sa/{}", proxy.service);
    let service = v1::Edge {
        service_host: text(format!("{}.shop.svc.cluster.local", to.service)),
        service_name: text(to.service.clone()),
        service_namespace: text("shop".into()),
        service_port: 8080,
        service_evidence: v1::ServiceEvidence::Cluster.into(),
        mutual_tls: true,
        ..v1::Edge::default()
    };
    if row.is_source {
        v1::Edge {
            reporter: v1::Reporter::Source.into(),
            peer_workload: text(format!("{}-{}", to.service, to.version)),
            peer_namespace: text("shop".into()),
            peer_canonical_service: text(to.service.clone()),
            peer_canonical_revision: text(to.version.clone()),
            peer_cluster: text(to.site.clone()),
            peer_address: text(to.address.clone()),
            peer_principal: text(principal(to)),
            local_principal: text(principal(from)),
            ..service
        }
    } else {
        v1::Edge {
            reporter: v1::Reporter::Destination.into(),
            peer_address: text(from.address.clone()),
            peer_principal: text(principal(from)),
            local_principal: text(principal(to)),
            ..service
        }
    }
}

struct Strings {
    list: Vec<String>,
    known: HashMap<String, u32>,
}

impl Strings {
    fn new() -> Self {
        Self { list: vec![String::new()], known: HashMap::from([(String::new(), 0)]) }
    }

    fn index(&mut self, text: String) -> u32 {
        *self.known.entry(text).or_insert_with_key(|text| {
            self.list.push(text.clone());
            u32::try_from(self.list.len()).unwrap_or(u32::MAX).saturating_sub(1)
        })
    }
}
