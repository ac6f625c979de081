//! Records on their way: tables of what repeats, and a row of figures per request.
//!
//! In: records, and fold rows. Out: the bytes of the [`v1::Batch`] of the contract. Always holds: each edge, outcome and text stands
//! once; the order of the rows is the order in which the requests ended.

use crate::columns::{self, Row};
use crate::flows::Flow;
use crate::fold::Fold;
use crate::open::Open;
use crate::record::{Edge, Measure, Messages, Outcome, Record};
use crate::table::{Edges, Table};
use hopscope_proto::v1;
use std::rc::Rc;

/// Field number of `v1::Batch.records`.
const RECORDS: u8 = 11;

/// Records of one batch, and the fold rows that ride along.
#[derive(Debug, Default)]
pub struct Batch {
    edges: Edges,
    outcomes: Table<Outcome>,
    rows: Vec<Row>,
    folds: Vec<(u32, u32, Fold)>,
    open: Vec<v1::Open>,
    connections: Vec<v1::Flow>,
    streams: Vec<v1::Flow>,
    /// One row per edge and outcome that has any.
    messages: Vec<(u32, u32, Messages)>,
}

impl Batch {
    /// What a record takes in it, its edge and outcome aside, which others share.
    pub const RECORD_BYTES: usize = size_of::<Row>();

    /// Appends a record.
    pub fn push(&mut self, record: &Record) {
        let (edge, outcome) = (self.edges.index(&record.edge), self.outcomes.index(&record.outcome));
        self.rows.push((edge, outcome, record.measure));
        self.add_messages(edge, outcome, record.messages);
    }

    /// Appends a fold row.
    pub fn push_fold(&mut self, edge: &Rc<Edge>, outcome: &Outcome, fold: Fold) {
        let row = (self.edges.index(edge), self.outcomes.index(outcome), fold);
        self.add_messages(row.0, row.1, row.2.messages);
        self.folds.push(row);
    }

    fn add_messages(&mut self, edge: u32, outcome: u32, messages: Messages) {
        if messages == Messages::default() {
            return;
        }
        match self.messages.iter_mut().find(|row| (row.0, row.1) == (edge, outcome)) {
            Some(row) => row.2.add(messages),
            None => self.messages.push((edge, outcome, messages)),
        }
    }

    /// The messages of its requests, by edge and outcome.
    pub fn messages(&self) -> impl Iterator<Item = (&Rc<Edge>, &Outcome, Messages)> {
        self.messages.iter().filter_map(|(edge, outcome, messages)| {
            Some((self.edges.get(*edge)?, self.outcomes.get(*outcome)?, *messages))
        })
    }

    /// Appends what one side has open.
    pub fn push_open(&mut self, open: &Open) {
        let long = open.long.iter().map(|row| v1::OpenLong {
            edge: self.edges.index(&row.edge),
            count: row.count,
            oldest_age_us: row.oldest_age_us,
            request_bytes: row.request_bytes,
            response_bytes: row.response_bytes,
        });
        let long = long.collect();
        self.open.push(v1::Open {
            reporter: open.reporter.into(),
            count: open.count,
            oldest_age_us: open.oldest_age_us,
            long_count: open.long_count,
            long,
        });
    }

    /// Appends what is new of open connections.
    pub fn push_connections(&mut self, flow: &Flow) {
        let flow = self.flow(flow);
        self.connections.push(flow);
    }

    /// Appends what is new of streams.
    pub fn push_streams(&mut self, flow: &Flow) {
        let flow = self.flow(flow);
        self.streams.push(flow);
    }

    fn flow(&mut self, flow: &Flow) -> v1::Flow {
        v1::Flow {
            edge: self.edges.index(&flow.edge),
            opened: flow.opened,
            request_bytes: flow.request_bytes,
            response_bytes: flow.response_bytes,
        }
    }

    /// How many single records it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it holds no single record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// How many requests its fold rows stand for.
    #[must_use]
    pub fn folded(&self) -> u64 {
        self.folds.iter().fold(0, |sum, (_, _, fold)| sum.saturating_add(fold.count))
    }

    /// Its single records, one by one.
    pub fn records(&self) -> impl Iterator<Item = (&Rc<Edge>, &Outcome, &Measure)> {
        self.rows.iter().filter_map(|(edge, outcome, measure)| {
            Some((self.edges.get(*edge)?, self.outcomes.get(*outcome)?, measure))
        })
    }

    /// The bytes of a [`v1::Batch`] with its tables and rows; `head` says who, which and the books.
    #[must_use]
    pub fn to_bytes(&self, head: v1::Batch) -> Vec<u8> {
        let base_us = self.base_us();
        let message = v1::Batch { base_time_unix_us: base_us, ..self.tables(head) };
        let mut bytes = message.to_bytes();
        columns::append(&mut bytes, RECORDS, &columns::pack(&self.rows, base_us));
        bytes
    }

    fn base_us(&self) -> u64 {
        let first_row = self.rows.first().map(|(_, _, measure)| measure.start_us);
        let first_fold = self.folds.first().map(|(_, _, fold)| fold.first_start_us);
        first_row.or(first_fold).unwrap_or(0)
    }

    fn messages_to_wire(&self) -> Vec<v1::Messages> {
        let to_wire = |(edge, outcome, messages): &(u32, u32, Messages)| v1::Messages {
            edge: *edge,
            outcome: *outcome,
            request_messages: messages.request,
            response_messages: messages.response,
        };
        self.messages.iter().map(to_wire).collect()
    }

    fn tables(&self, head: v1::Batch) -> v1::Batch {
        let mut strings = Table::default();
        strings.index("");
        v1::Batch {
            edges: self.edges.values().iter().map(|edge| edge_to_wire(edge, &mut strings)).collect(),
            outcomes: self.outcomes.values().iter().map(|o| outcome_to_wire(o, &mut strings)).collect(),
            folds: self.folds.iter().map(|row| fold_to_wire(row, self.base_us())).collect(),
            open: self.open.clone(),
            connections: self.connections.clone(),
            streams: self.streams.clone(),
            messages: self.messages_to_wire(),
            strings: strings.into_values(),
            ..head
        }
    }
}

fn edge_to_wire(edge: &Edge, strings: &mut Table<String>) -> v1::Edge {
    let mut text = |text: &str| strings.index(text);
    v1::Edge {
        reporter: edge.reporter.into(),
        peer_workload: text(&edge.peer.workload),
        peer_namespace: text(&edge.peer.namespace),
        peer_app: text(&edge.peer.app),
        peer_version: text(&edge.peer.version),
        peer_canonical_service: text(&edge.peer.canonical_service),
        peer_canonical_revision: text(&edge.peer.canonical_revision),
        peer_cluster: text(&edge.peer.cluster),
        peer_address: text(&edge.peer.address),
        peer_principal: text(&edge.peer.principal),
        local_principal: text(&edge.local_principal),
        mutual_tls: edge.mutual_tls,
        service_host: text(&edge.service.host),
        service_name: text(&edge.service.name),
        service_namespace: text(&edge.service.namespace),
        service_port: edge.service.port,
        subset: text(&edge.service.subset),
        service_evidence: edge.service.evidence.into(),
    }
}

fn outcome_to_wire(outcome: &Outcome, strings: &mut Table<String>) -> v1::Outcome {
    let (details, reason) =
        outcome.why.as_ref().map_or(("", ""), |why| (&why.code_details, &why.transport_failure_reason));
    v1::Outcome {
        response_code: outcome.response_code,
        response_flags: outcome.response_flags,
        grpc_status: outcome.grpc_status,
        protocol: outcome.protocol.into(),
        code_details: strings.index(details),
        transport_failure_reason: strings.index(reason),
        continued: outcome.continued,
    }
}

fn fold_to_wire((edge, outcome, fold): &(u32, u32, Fold), base_us: u64) -> v1::Fold {
    v1::Fold {
        edge: *edge,
        outcome: *outcome,
        count: fold.count,
        first_start_delta_us: delta(fold.first_start_us, base_us),
        last_start_delta_us: delta(fold.last_start_us, base_us),
        duration: Some(fold.duration.to_wire()),
        request_bytes_sum: fold.request_bytes_sum,
        response_bytes_sum: fold.response_bytes_sum,
    }
}

/// A time as the contract tells it, against another.
pub(crate) fn delta(time_us: u64, base_us: u64) -> i64 {
    time_us.wrapping_sub(base_us).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::Batch;
    use crate::fold::FoldTable;
    use crate::record::{Edge, Measure, Messages, Outcome, Record};
    use hopscope_proto::v1;
    use prost::Message;
    use std::rc::Rc;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn wire(batch: &Batch) -> v1::Batch {
        let head = v1::Batch { sequence: 7, ..v1::Batch::default() };
        let wire = v1::Batch::decode(batch.to_bytes(head).as_slice()).unwrap();
        assert_eq!(wire.sequence, 7);
        wire
    }

    fn record(service: &str, response_code: u32, start_us: u64) -> Record {
        let mut edge = Edge::default();
        edge.service.host = service.to_owned();
        Record {
            edge: Rc::new(edge),
            outcome: Outcome { response_code, ..Outcome::default() },
            measure: Measure { start_us, duration_us: 9, attempts: 1, ..Measure::default() },
            messages: Messages::default(),
        }
    }

    #[test]
    fn what_repeats_stands_once_and_times_are_differences() {
        let mut batch = Batch::default();
        let mut second = record("b", 200, 900);
        second.measure.attempts = 0;
        for record in [record("a", 200, 1_000), second, record("a", 503, 1_100)] {
            batch.push(&record);
        }
        let wire = wire(&batch);
        let records = wire.records.unwrap();
        assert_eq!(wire.strings, ["", "a", "b"]);
        assert_eq!((wire.edges.len(), wire.outcomes.len()), (2, 2));
        assert_eq!((records.edge, records.attempts), (vec![0, 1, 0], vec![1, 0, 1]));
        assert_eq!(records.outcome, [0, 0, 1]);
        assert_eq!((wire.base_time_unix_us, records.start_delta_us), (1_000, vec![0, -100, 200]));
    }

    #[test]
    fn messages_stand_once_for_each_edge_and_outcome() {
        let mut batch = Batch::default();
        let mut table = FoldTable::default();
        for (service, text) in [("a", "1,5"), ("b", ""), ("a", "2,0"), ("c", "7,7,7"), ("a", "x")] {
            let mut record = record(service, 200, 1_000);
            record.messages = Messages::read(text);
            assert!(table.add(&record.edge, &record.outcome, &record.measure, 8));
            table.add_messages(&record.edge, &record.outcome, record.messages);
            batch.push(&record);
        }
        for (edge, outcome, fold) in table.take(8) {
            batch.push_fold(&edge, &outcome, fold);
        }
        let rows = wire(&batch).messages;
        let rows = rows.iter().map(|row| (row.edge, row.request_messages, row.response_messages));
        assert_eq!(rows.collect::<Vec<_>>(), [(0, 6, 10), (2, 14, 0)]);
    }

    #[test]
    fn one_attempt_each_needs_no_column() {
        let mut batch = Batch::default();
        for start_us in [1_000, 1_010] {
            batch.push(&record("a", 200, start_us));
        }
        assert_eq!(wire(&batch).records.unwrap().attempts, [0_u32; 0]);
    }

    #[test]
    fn fold_rows_share_the_tables() {
        let mut table = FoldTable::default();
        let mut batch = Batch::default();
        batch.push(&record("a", 200, 1_000));
        for record in [record("a", 200, 10), record("a", 200, 30)] {
            assert!(table.add(&record.edge, &record.outcome, &record.measure, 8));
        }
        for (edge, outcome, fold) in table.take(8) {
            batch.push_fold(&edge, &outcome, fold);
        }
        assert_eq!((batch.len(), batch.folded()), (1, 2));
        let wire = wire(&batch);
        assert_eq!((wire.edges.len(), wire.outcomes.len()), (1, 1));
        let fold = wire.folds.first().unwrap();
        assert_eq!((fold.count, fold.first_start_delta_us, fold.last_start_delta_us), (2, -990, -970));
    }

    #[test]
    fn the_columns_are_what_prost_would_write() {
        let large = [0, 1, 127, 128, 300, 1 << 21, 1 << 35, u64::MAX];
        for count in 0..large.len() {
            let mut batch = Batch::default();
            for (i, figure) in large.iter().take(count).enumerate() {
                let mut record = record("a", 200, *figure);
                record.measure = Measure {
                    duration_us: *figure,
                    request_bytes: figure / 2,
                    response_bytes: figure / 3,
                    request_id_hash: i as u32 * 0x0101_0101,
                    attempts: if count % 2 == 0 { 1 } else { i as u32 * 77 },
                    ..record.measure
                };
                batch.push(&record);
            }
            let bytes = batch.to_bytes(v1::Batch::default());
            let prost = v1::Batch::decode(bytes.as_slice()).unwrap();
            let records = prost.records.unwrap_or_default();
            let starts = records.start_delta_us.iter().scan(prost.base_time_unix_us, |start, delta| {
                *start = start.wrapping_add_signed(*delta);
                Some(*start)
            });
            assert!(starts.eq(large.iter().take(count).copied()));
            assert!(records.duration_us.iter().eq(large.iter().take(count)));
            assert_eq!(records.request_id_hash.len(), count);
            assert_eq!(records.attempts.len(), if count % 2 == 0 { 0 } else { count });
            let again = v1::Batch { records: Some(records), ..v1::Batch::default() }.encode_to_vec();
            assert!(bytes.windows(again.len().max(1)).any(|window| window == again) || count == 0);
        }
    }
}
