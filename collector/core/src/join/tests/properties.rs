//! What holds whatever comes.

use super::{Line, START_US, Scene};
use crate::join::{Settings, Stats};
use proptest::prelude::*;

/// What happens to a call: the records of both sides, against the start of the call.
const STORIES: [&[&str]; 9] = [
    &["src +40 200", "dst 1+38 200"],
    &["src +40 503", "dst 1+38 503"],
    &["src +45 503", "dst 1+43 UC/503"],
    &["src +200 UT/504", "dst 1+50 200"],
    &["src +200 UT/504", "dst 1+202 DC/-"],
    &["src +200 UT/504"],
    &["src +20 UC/503"],
    &["src +90 200 x2", "dst 1+20 503 x1", "dst 30+50 200 x2"],
    &["src +50 UF,URX/503 x3"],
];

/// The records of a call that begins so many milliseconds after the start.
fn records(story: usize, id: u64, start: i64) -> Vec<Line> {
    let line = |text: &&str| {
        let (side, rest) = text.split_once(' ').unwrap();
        let (offset, rest) = rest.split_once('+').unwrap();
        let start = start + offset.parse::<i64>().unwrap_or(0);
        Line::parse(&format!("{side} shop>pay #{id} {start}+{rest}"))
    };
    STORIES[story].iter().map(line).collect()
}

/// Tells all lines, each a little after the one before it, and lets everything be judged.
fn tell(lines: &[Line], limits: Settings) -> Scene {
    let mut scene = Scene::new(limits);
    scene.introduce("shop>pay");
    scene.until(START_US + 10_000_000);
    for line in lines {
        scene.until(scene.now_us + 2_000);
        scene.tell(line, 0);
        scene.balanced();
    }
    scene.until(scene.now_us + 20_000_000);
    scene.balanced();
    assert_eq!(scene.join.open(), 0);
    scene
}

fn lines() -> impl Strategy<Value = Vec<Line>> {
    // Calls under one id come one after the other; each id has its own.
    let call = (0..STORIES.len(), 0..40_u64, 0..5_i64);
    proptest::collection::vec(call, 1..60).prop_map(|calls| {
        let mut seen = std::collections::HashSet::new();
        let calls = calls.into_iter().filter(|(_, id, turn)| seen.insert((*id, *turn)));
        calls.flat_map(|(story, id, turn)| records(story, id + 1, turn * 1_000)).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_arrival_does_not_matter(mut lines in lines(), order in any::<u64>()) {
        let expected = tell(&lines, Settings::default());
        // A shuffle that shrinks.
        let place = |at: usize| (at as u64 + 1).wrapping_mul(order | 1).rotate_left(32);
        let mut places: Vec<usize> = (0..lines.len()).collect();
        places.sort_by_key(|at| place(*at));
        lines = places.into_iter().map(|at| lines[at].clone()).collect();
        let shuffled = tell(&lines, Settings::default());
        prop_assert_eq!(expected.told(), shuffled.told());
        // Whether a pairing was sure depends on who else was there.
        let fates = |scene: &Scene| {
            let Stats { joined, alone, ambiguous, .. } = scene.join.stats();
            [*joined, *alone, *ambiguous]
        };
        prop_assert_eq!(fates(&expected), fates(&shuffled));
    }

    /// A tenth of the calls twice under one id, some of them side by side, in any order, by clocks some milliseconds apart.
    #[test]
    fn without_faults_there_is_no_disagreement(
        calls in proptest::collection::vec((0..10_u8, 0..3_000_i64, 1..900_u64, -5..=5_i64), 1..80),
        order in any::<u64>(),
    ) {
        let mut lines = Vec::new();
        for (id, (twice, start, duration, ahead)) in (1..).zip(&calls) {
            let again = (*twice == 0).then_some((start + i64::from(duration % 7 != 0) * 2, duration / 2 + 1));
            for (start, duration) in [(*start, *duration)].into_iter().chain(again) {
                lines.push(Line::parse(&format!("src shop>pay #{id} {start}+{} 200", duration + 3)));
                lines.push(Line::parse(&format!("dst shop>pay #{id} {}+{duration} 200", start + 1 + ahead)));
            }
        }
        let mut places: Vec<usize> = (0..lines.len()).collect();
        places.sort_by_key(|at| (*at as u64 + 1).wrapping_mul(order | 1).rotate_left(32));
        let lines: Vec<Line> = places.into_iter().map(|at| lines[at].clone()).collect();
        let scene = tell(&lines, Settings::default());
        prop_assert_eq!(scene.told(), [format!("shop>pay agreed ok/ok {}", lines.len() / 2)]);
    }

    /// Whatever comes, however little room there is: one fate for each record, and cells that add up to hops.
    #[test]
    fn every_record_has_one_fate(
        calls in proptest::collection::vec((0..STORIES.len(), 1..6_u64, 0..40_i64, 0..4_u8), 1..80),
        pending_max in 1..40_usize,
    ) {
        let lines: Vec<Line> = calls
            .iter()
            .flat_map(|(story, id, start, keep)| {
                let records = records(*story, *id, *start);
                records.into_iter().enumerate().filter(|(at, _)| *at != usize::from(*keep)).map(|(_, it)| it)
            })
            .collect();
        let scene = tell(&lines, Settings { pending_max, ..Settings::default() });
        let hops: u64 = scene.join.edges().map(|(_, book)| book.hops()).sum();
        let stats = scene.join.stats();
        prop_assert!(hops <= stats.joined + stats.alone + stats.ambiguous);
        prop_assert!(hops >= (stats.joined + stats.alone + stats.ambiguous) / 4);
    }
}
