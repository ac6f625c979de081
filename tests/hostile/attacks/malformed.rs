//! Messages that are no batches.

use crate::attack::Attack;
use crate::wire::{REPORT, call, data, preface, send};
use tokio::task::JoinSet;
use tokio::time::{Duration, sleep, timeout};

pub(super) const ATTACK: Attack = Attack {
    name: "malformed",
    is_quick: false,
    edges: 0,
    run: |target, duration| {
        Box::pin(async move {
            let mut bytes = preface();
            for call_number in 0..100_u32 {
                let stream = 2 * call_number + 1;
                bytes.extend(call(stream, REPORT));
                bytes.extend(data(stream, &[&[0, 0, 0, 4, 0], &[0xff; 1_024][..]].concat()));
            }
            let mut clients = JoinSet::new();
            for _ in 0..8 {
                let bytes = bytes.clone();
                clients.spawn(async move {
                    loop {
                        let _stream = send(target.grpc, &bytes).await;
                        sleep(Duration::from_millis(5)).await;
                    }
                });
            }
            let _ = timeout(duration, clients.join_next()).await;
        })
    },
};
