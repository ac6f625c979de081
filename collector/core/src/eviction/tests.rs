use super::{Eviction, Standing};
use crate::text::Text;
use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap};

/// Time after which an entry is silent.
const QUIET_US: u64 = 45;

#[derive(Debug, Clone)]
struct Row {
    owner: Text,
    last_us: u64,
    reports: u64,
}

/// A table with an owner, a last report and a number of reports for each entry.
#[derive(Debug, Default)]
struct Table {
    max: usize,
    rows: HashMap<Text, Row>,
    eviction: Eviction<Text>,
}

fn standing<'a>(rows: &'a HashMap<Text, Row>) -> impl Fn(&Text) -> Option<Standing<'a>> {
    move |key| {
        let row = rows.get(key)?;
        Some(Standing { owner: &row.owner, last_us: row.last_us, is_regular: row.reports > 1 })
    }
}

impl Table {
    /// A report of an entry. Returns whether the table accepts it, and the entry that left for it.
    fn report(&mut self, key: &str, owner: &str, now_us: u64) -> (bool, Option<Text>) {
        if let Some(row) = self.rows.get_mut(key) {
            row.last_us = now_us;
            row.reports += 1;
            return (true, None);
        }
        let (key, owner): (Text, Text) = (key.into(), owner.into());
        let mut gone = None;
        if self.rows.len() >= self.max {
            let silent_us = now_us.saturating_sub(QUIET_US);
            let Some(victim) = self.eviction.victim(&owner, silent_us, standing(&self.rows)) else {
                return (false, None);
            };
            self.leave(&victim);
            gone = Some(victim);
        }
        self.rows.insert(key.clone(), Row { owner: owner.clone(), last_us: now_us, reports: 1 });
        self.eviction.insert(&key, &owner, now_us, standing(&self.rows));
        (true, gone)
    }

    fn leave(&mut self, key: &str) {
        if let Some(row) = self.rows.remove(key) {
            self.eviction.remove(&row.owner);
        }
    }
}

/// Checks the answers to reports `owner/entry@time`: `.` for an accepted one, the entry that left
/// for it, or `full`.
#[track_caller]
fn check(max: usize, reports: &str, expected: &str) {
    let mut table = Table { max, ..Table::default() };
    let answers = reports.split_whitespace().map(|report| {
        let (owner, rest) = report.split_once('/').unwrap();
        let (key, at) = rest.split_once('@').unwrap();
        match table.report(key, owner, 1_000 + at.parse::<u64>().unwrap()) {
            (true, None) => ".".to_owned(),
            (true, Some(gone)) => gone.to_string(),
            (false, _) => "full".to_owned(),
        }
    });
    assert_eq!(answers.collect::<Vec<_>>().join(" "), expected);
}

#[test]
fn the_longest_silent_entry_leaves_first() {
    check(3, "x/a@1 x/b@2 x/c@3 x/a@4 x/d@100", ". . . . b");
    check(2, "x/a@1 y/b@2 z/c@100 z/d@101", ". . a b");
}

#[test]
fn entries_that_report_do_not_leave_for_their_own_owner() {
    check(2, "x/a@1 x/b@2 x/a@3 x/b@4 x/c@5 y/c@6 y/d@7", ". . . . full a c");
    check(3, "x/a@1 x/b@2 x/c@2 x/a@3 x/b@4 x/c@4 y/d@6 y/e@7", ". . . . . . a d");
}

#[test]
fn an_entry_that_reported_once_leaves_before_those_that_reported_often() {
    check(2, "x/a@1 x/a@2 x/b@3 x/c@4 x/d@5", ". . . b c");
}

#[test]
fn a_flood_of_one_owner_leaves_others_their_share() {
    let mut table = Table { max: 100, ..Table::default() };
    for turn in 0..2 {
        for number in 0..1_000 {
            table.report(&format!("flood-{number}"), "flood", 10 + turn);
        }
    }
    for number in 0..50 {
        assert!(table.report(&format!("good-{number}"), "good", 20).0, "{number}");
        assert!(table.report(&format!("good-{number}"), "good", 21).0, "{number}");
    }
    for number in 0..1_000 {
        table.report(&format!("later-{number}"), "flood", 22);
    }
    let mut owners: BTreeMap<&str, usize> = BTreeMap::new();
    table.rows.values().for_each(|row| *owners.entry(&row.owner).or_default() += 1);
    assert_eq!(owners, BTreeMap::from([("flood", 50), ("good", 50)]));
}

#[test]
fn a_refusal_costs_as_many_steps_in_a_large_table_as_in_a_small_one() {
    let mut steps = Vec::new();
    for max in [10, 1_000, 40_000] {
        let mut table = Table { max, ..Table::default() };
        for turn in 0..2 {
            for number in 0..max {
                table.report(&format!("entry-{number}"), "owner", 10 + turn);
            }
        }
        // The first refusal brings the heaps up to date.
        let of_refusal = [0, 1].map(|_| {
            let reads = std::cell::Cell::new(0);
            let standing = |key: &Text| {
                reads.set(reads.get() + 1);
                standing(&table.rows)(key)
            };
            assert_eq!(table.eviction.victim(&"owner".into(), 0, standing), None);
            reads.get()
        });
        steps.push(of_refusal[1]);
    }
    assert_eq!(steps, [2; 3]);
}

#[test]
fn entries_that_are_gone_take_no_memory() {
    let mut table = Table { max: 10, ..Table::default() };
    for number in 0..10_000 {
        table.report(&number.to_string(), "x", number);
        table.leave(&number.to_string());
    }
    assert!(table.eviction.silent.heap.len() <= 65 && table.eviction.owners.is_empty());
}

proptest! {
    /// Random reports, silences and departures of 1,000 clients: a client that is within its share
    /// is never refused, and the table stays within its limit.
    #[test]
    fn a_client_within_its_share_is_never_refused(
        steps in proptest::collection::vec((0..1_000_usize, 0..40_u64, 0..20_u8), 1..1_500),
        max in 20..200_usize,
    ) {
        let mut table = Table { max, ..Table::default() };
        let mut now_us = 1_000;
        for (client, pause_us, kind) in steps {
            now_us += pause_us / 8;
            // A third of all clients have one owner, and the others one of ten.
            let owner = if client % 3 == 0 { "crowd".to_owned() } else { format!("owner-{}", client % 10) };
            let key = format!("client-{client}");
            if kind == 0 {
                table.leave(&key);
                continue;
            }
            let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
            table.rows.values().for_each(|row| *counts.entry(&row.owner).or_default() += 1);
            let mine = counts.get(owner.as_str()).copied().unwrap_or(0);
            let owners = counts.len() + usize::from(mine == 0);
            let within_share = mine < max / owners;
            let (accepted, _) = table.report(&key, &owner, now_us);
            prop_assert!(accepted || !within_share, "{} of {}/{}", mine, max, owners);
            prop_assert!(table.rows.len() <= max);
        }
    }
}
