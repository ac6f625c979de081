//! Reports of many epochs with as many rows of requests in flight as allowed.

use crate::attack::Attack;
use crate::batches::batch;
use hopscope_proto::v1::{InFlight, InFlightLong};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Rows of one report.
const ROWS: u32 = 64;

pub(super) const ATTACK: Attack = Attack {
    name: "in_flight_rows",
    is_quick: false,
    edges: 0,
    run: |target, duration| {
        Box::pin(async move {
            let mut clients = JoinSet::new();
            for number in 0..8_u64 {
                clients.spawn(async move {
                    let Ok(mut client) = target.client().await else { return };
                    for epoch in 1..5_000 {
                        let mut report = batch("evil", 1, ROWS, u32::try_from(number).unwrap() * ROWS, ROWS);
                        report.epoch = number << 32 | epoch;
                        let long = (0..ROWS).map(|edge| InFlightLong {
                            edge,
                            count: 1,
                            oldest_age_us: 9,
                            ..InFlightLong::default()
                        });
                        report.in_flight = vec![InFlight {
                            reporter: 1,
                            count: u64::from(ROWS),
                            long_count: u64::from(ROWS),
                            oldest_age_us: 9,
                            long: long.collect(),
                        }];
                        let _ = client.report(report).await;
                    }
                });
            }
            let _ = timeout(duration, async { while clients.join_next().await.is_some() {} }).await;
        })
    },
};
