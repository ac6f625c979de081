//! Valid reports of the largest size, many at a time.

use crate::attack::Attack;
use crate::batches::batch;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Requests of a report. All clients use the same request ids for one service, so that the join
/// compares each record with up to 24 others.
const RECORDS: u32 = 100_000;

pub(super) const ATTACK: Attack = Attack {
    name: "large_reports",
    // A report is applied in one piece, which takes up to a second here.
    is_quick: false,
    edges: 0,
    run: |target, duration| {
        Box::pin(async move {
            let mut clients = JoinSet::new();
            for number in 0..16 {
                clients.spawn(async move {
                    let Ok(mut client) = target.client().await else { return };
                    for sequence in 1.. {
                        let name = format!("evil-{number}");
                        // A refusal changes nothing: the next one follows.
                        let _ = client.report(batch(&name, sequence, RECORDS, 0, 1)).await;
                    }
                });
            }
            let _ = timeout(duration, async { while clients.join_next().await.is_some() {} }).await;
        })
    },
};
