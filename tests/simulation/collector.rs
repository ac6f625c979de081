//! A collector: its door, its journal, its rooms; and beside them what it took, as known from outside.
//!
//! In: messages. Out: answers. Always holds: a message is in the journal before it is before the rooms; what the rooms took
//! is what [`Taken`] says.

use crate::ground_truth::Epoch;
use hopscope::checkpoint;
use hopscope::ingest::check;
use hopscope::ingest::refusal::{Advice, Refusal};
use hopscope::ingest::{name, read};
use hopscope::pipeline::{Answer, Limits, Pipeline};
use hopscope::report::Report;
use hopscope_proto::v1::Ack;
use prost::Message;
use prost::bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

const OK: u32 = 0;
const UNAVAILABLE: u32 = 14;

/// What the rooms hold.
#[derive(Debug, Clone, Default)]
pub(crate) struct Taken {
    /// Epochs and numbers of batches.
    pub(crate) batches: BTreeSet<(u64, u64)>,
    /// The number of the batch of each epoch that came first.
    pub(crate) first: BTreeMap<u64, u64>,
    pub(crate) repeats: BTreeMap<u64, u64>,
}

/// What is on disk.
#[derive(Debug, Default)]
struct Disk {
    checkpoint: Option<(Vec<u8>, Taken)>,
    /// Messages since then, and when they came.
    journal: Vec<(Bytes, u64)>,
}

pub(crate) struct Collector {
    pub(crate) engine: Engine,
    pub(crate) taken: Taken,
    /// Requests that these rooms were told, without those that a checkpoint brought.
    pub(crate) fed: u64,
    pub(crate) is_up: bool,
    /// New batches that came after one with a higher number.
    pub(crate) overtaken: u64,
    /// Repeats that would be refused, had they not been taken before.
    pub(crate) late_repeats: u64,
    limits: Limits,
    door: validate::Limits,
    disk: Option<Disk>,
}

impl Collector {
    pub(crate) fn new(limits: Limits, door: validate::Limits, with_journal: bool) -> Self {
        Self {
            engine: Engine::new(limits.clone()),
            taken: Taken::default(),
            fed: 0,
            is_up: true,
            overtaken: 0,
            late_repeats: 0,
            limits,
            door,
            disk: with_journal.then(Disk::default),
        }
    }

    /// Takes a message; status and bytes of the answer.
    pub(crate) fn report(&mut self, message: &Bytes, now_us: u64) -> (u32, Vec<u8>) {
        if !self.is_up {
            return (UNAVAILABLE, Vec::new());
        }
        let report = match read(message, &self.door, now_us) {
            Ok(report) => report,
            Err(refusal) => return self.refuse(message, &refusal),
        };
        let answer = if self.disk.is_some() && self.engine.is_unknown_proxy(&report) {
            Answer::NeedIdentity
        } else {
            if let Some(disk) = &mut self.disk {
                disk.journal.push((message.clone(), now_us));
            }
            self.take(&report, now_us)
        };
        let ack = match answer {
            Answer::Taken => Ack { accepted_sequence: report.sequence, ..Ack::default() },
            Answer::NeedIdentity => Ack { need_identity: true, ..Ack::default() },
            Answer::Full(table) => return (status(&Rejection::Full(table)), Vec::new()),
        };
        (OK, ack.encode_to_vec())
    }

    /// What is not let through any more, and was taken before, is answered for.
    fn refuse(&mut self, message: &Bytes, refusal: &Rejection) -> (u32, Vec<u8>) {
        match name(message, &self.door) {
            Some((epoch_id, sequence)) if self.engine.ledger().has(&epoch_id, sequence) => {
                self.late_repeats += 1;
                (OK, Ack { accepted_sequence: sequence, ..Ack::default() }.encode_to_vec())
            }
            _ => (status(refusal), Vec::new()),
        }
    }

    fn take(&mut self, report: &Batch, now_us: u64) -> Answer {
        let answer = self.engine.take(report, now_us);
        if answer == Answer::Taken {
            let epoch = report.epoch_id.epoch;
            let highest = self.highest(epoch);
            if self.taken.batches.insert((epoch, report.sequence)) {
                let (singles, folded) = report.content();
                self.fed += singles + folded;
                self.overtaken += u64::from(highest.is_some_and(|highest| highest > report.sequence));
                self.taken.first.entry(epoch).or_insert(report.sequence);
            } else {
                *self.taken.repeats.entry(epoch).or_default() += 1;
            }
        }
        answer
    }

    pub(crate) fn checkpoint(&mut self) {
        if let Some(disk) = &mut self.disk {
            disk.checkpoint = Some((snapshot::encode(&self.engine, 1), self.taken.clone()));
            disk.journal.clear();
        }
    }

    /// It is killed.
    pub(crate) fn end(&mut self) {
        self.is_up = false;
    }

    /// It starts anew: with what is on disk, or with nothing.
    pub(crate) fn start(&mut self) {
        self.is_up = true;
        let before = std::mem::take(&mut self.taken);
        self.engine = Engine::new(self.limits.clone());
        self.fed = 0;
        let Some(disk) = &mut self.disk else { return };
        if let Some((bytes, taken)) = &disk.checkpoint {
            assert_eq!(snapshot::decode(bytes, &mut self.engine), Ok(1));
            self.taken = taken.clone();
        }
        let journal = std::mem::take(&mut disk.journal);
        for (message, then_us) in &journal {
            let report = read(message, &self.door, *then_us).unwrap();
            self.take(&report, *then_us);
        }
        if let Some(disk) = &mut self.disk {
            disk.journal = journal;
        }
        assert_eq!(self.taken.batches, before.batches, "what was on disk is there again");
    }

    /// The highest batch of an epoch that came.
    pub(crate) fn highest(&self, epoch: u64) -> Option<u64> {
        let batches = self.taken.batches.range((epoch, 0)..=(epoch, u64::MAX));
        batches.last().map(|(_, sequence)| *sequence)
    }

    /// Batches of an epoch that came, as they were told.
    pub(crate) fn batches<'a>(
        &'a self,
        number: u64,
        epoch: &'a Epoch,
    ) -> impl Iterator<Item = &'a crate::ground_truth::Told> {
        let batches = self.taken.batches.range((number, 0)..=(number, u64::MAX));
        batches.map(|(_, sequence)| epoch.told.get(sequence).unwrap())
    }
}

/// As the door answers.
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
