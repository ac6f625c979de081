//! A simulated collector: validation, journal, engine, and a record of the accepted batches.
//!
//! In: messages. Out: answers.
//! Invariant: a message or a tick is in the journal before the engine applies it; [`Accepted`] lists
//! exactly the batches that the engine has applied; a restart from the journal gives the state that
//! the collector had when it was killed.

use crate::ground_truth::Epoch;
use hopscope_core::batch::Batch;
use hopscope_core::engine::snapshot;
use hopscope_core::engine::{Answer, Engine, Settings};
use hopscope_core::intake::raw_batch::{batch_id, read};
use hopscope_core::intake::reject::{Advice, Rejection};
use hopscope_core::intake::validate;
use hopscope_proto::v1::Ack;
use prost::Message;
use prost::bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

const OK: u32 = 0;
const UNAVAILABLE: u32 = 14;

/// Batches that the engine has applied.
#[derive(Debug, Clone, Default)]
pub(crate) struct Accepted {
    /// Epochs and sequences of batches.
    pub(crate) batches: BTreeSet<(u64, u64)>,
    /// Sequence of the first accepted batch of each epoch.
    pub(crate) first: BTreeMap<u64, u64>,
    pub(crate) repeats: BTreeMap<u64, u64>,
}

/// State on disk.
#[derive(Debug, Default)]
struct Disk {
    checkpoint: Option<(Vec<u8>, Accepted)>,
    /// Messages and ticks since the checkpoint, with their times.
    journal: Vec<(Option<Bytes>, u64)>,
}

pub(crate) struct Collector {
    pub(crate) engine: Engine,
    pub(crate) accepted: Accepted,
    /// Requests that this engine has applied, without those of the checkpoint.
    pub(crate) applied: u64,
    pub(crate) is_up: bool,
    /// New batches that arrived after one with a higher sequence.
    pub(crate) overtaken: u64,
    /// Repeated batches that are accepted only because they were accepted before.
    pub(crate) late_repeats: u64,
    limits: Settings,
    batch_limits: validate::Limits,
    disk: Option<Disk>,
}

impl Collector {
    pub(crate) fn new(limits: Settings, batch_limits: validate::Limits, with_journal: bool) -> Self {
        Self {
            engine: Engine::new(limits.clone()),
            accepted: Accepted::default(),
            applied: 0,
            is_up: true,
            overtaken: 0,
            late_repeats: 0,
            limits,
            batch_limits,
            disk: with_journal.then(Disk::default),
        }
    }

    /// Receives a message; returns status and bytes of the answer.
    pub(crate) fn report(&mut self, message: &Bytes, now_us: u64) -> (u32, Vec<u8>) {
        if !self.is_up {
            return (UNAVAILABLE, Vec::new());
        }
        let report = match read(message, &self.batch_limits, now_us) {
            Ok(report) => report,
            Err(refusal) => return self.refuse(message, &refusal),
        };
        let answer = if self.disk.is_some() && self.engine.is_unknown_proxy(&report) {
            Answer::NeedIdentity
        } else {
            if let Some(disk) = &mut self.disk {
                disk.journal.push((Some(message.clone()), now_us));
            }
            self.apply(&report, now_us)
        };
        let ack = match answer {
            Answer::Accepted => Ack { accepted_sequence: report.sequence, ..Ack::default() },
            Answer::NeedIdentity => Ack { need_identity: true, ..Ack::default() },
            Answer::Full(table) => return (status(&Rejection::Full(table)), Vec::new()),
        };
        (OK, ack.encode_to_vec())
    }

    /// Acknowledges a rejected message if its batch was accepted before.
    fn refuse(&mut self, message: &Bytes, refusal: &Rejection) -> (u32, Vec<u8>) {
        match batch_id(message, &self.batch_limits) {
            Some((reporter, sequence)) if self.engine.ledger().has(&reporter, sequence) => {
                self.late_repeats += 1;
                (OK, Ack { accepted_sequence: sequence, ..Ack::default() }.encode_to_vec())
            }
            _ => (status(refusal), Vec::new()),
        }
    }

    fn apply(&mut self, report: &Batch, now_us: u64) -> Answer {
        let answer = self.engine.apply_batch(report, now_us);
        if answer == Answer::Accepted {
            let epoch = report.epoch_id.epoch;
            let highest = self.highest(epoch);
            if self.accepted.batches.insert((epoch, report.sequence)) {
                let (records, folded) = report.content();
                self.applied += records + folded;
                self.overtaken += u64::from(highest.is_some_and(|highest| highest > report.sequence));
                self.accepted.first.entry(epoch).or_insert(report.sequence);
            } else {
                *self.accepted.repeats.entry(epoch).or_default() += 1;
            }
        }
        answer
    }

    /// Advances the time.
    pub(crate) fn tick(&mut self, now_us: u64) {
        if let Some(disk) = &mut self.disk {
            disk.journal.push((None, now_us));
        }
        self.engine.tick(now_us);
    }

    pub(crate) fn checkpoint(&mut self) {
        if let Some(disk) = &mut self.disk {
            disk.checkpoint = Some((snapshot::encode(&self.engine, 1), self.accepted.clone()));
            disk.journal.clear();
        }
    }

    /// Kills the collector.
    pub(crate) fn end(&mut self) {
        self.is_up = false;
    }

    /// Restarts the collector from disk, or empty.
    pub(crate) fn start(&mut self) {
        self.is_up = true;
        let before = std::mem::take(&mut self.accepted);
        let state_before = snapshot::encode(&self.engine, 1);
        self.engine = Engine::new(self.limits.clone());
        self.applied = 0;
        let Some(disk) = &mut self.disk else { return };
        if let Some((bytes, accepted)) = &disk.checkpoint {
            assert_eq!(snapshot::decode(bytes, &mut self.engine), Ok(1));
            self.accepted = accepted.clone();
            let join = self.engine.join();
            self.applied = join.stats().resolved() + join.pending() as u64;
        }
        let journal = std::mem::take(&mut disk.journal);
        for (message, then_us) in &journal {
            let Some(message) = message else {
                self.engine.tick(*then_us);
                continue;
            };
            let report = read(message, &self.batch_limits, *then_us).unwrap();
            self.apply(&report, *then_us);
        }
        if let Some(disk) = &mut self.disk {
            disk.journal = journal;
        }
        assert_eq!(self.accepted.batches, before.batches, "batches on disk were not recovered");
        assert!(snapshot::encode(&self.engine, 1) == state_before, "a restart changed the state");
    }

    /// Highest accepted sequence of an epoch.
    pub(crate) fn highest(&self, epoch: u64) -> Option<u64> {
        let batches = self.accepted.batches.range((epoch, 0)..=(epoch, u64::MAX));
        batches.last().map(|(_, sequence)| *sequence)
    }

    /// Accepted batches of an epoch, as they were sent.
    pub(crate) fn batches<'a>(
        &'a self,
        number: u64,
        epoch: &'a Epoch,
    ) -> impl Iterator<Item = &'a crate::ground_truth::SentBatch> {
        let batches = self.accepted.batches.range((number, 0)..=(number, u64::MAX));
        batches.map(|(_, sequence)| epoch.sent.get(sequence).unwrap())
    }
}

/// gRPC status of a rejection.
fn status(refusal: &Rejection) -> u32 {
    match refusal.advice() {
        Advice::GiveUp => 3,
        Advice::MakeSmaller => 11,
        Advice::Upgrade => 9,
        Advice::ComeBack => 8,
        Advice::GoElsewhere => UNAVAILABLE,
        Advice::AskOperator => 7,
    }
}
