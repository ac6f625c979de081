//! Connections with calls that never send a message, renewed as they time out.

use crate::attack::Attack;
use crate::wire::{REPORT, call, hold, preface};
use std::time::Duration;
use tokio::time::{Instant, sleep};

pub(super) const ATTACK: Attack = Attack {
    name: "silent_calls",
    is_quick: true,
    edges: 0,
    run: |target, duration| {
        Box::pin(async move {
            let mut bytes = preface();
            for call_number in 0..48 {
                bytes.extend(call(2 * call_number + 1, REPORT));
            }
            let end = Instant::now() + duration;
            while Instant::now() < end {
                let _held = hold(target.grpc, &bytes, 300).await;
                sleep(Duration::from_secs(5).min(end - Instant::now().min(end))).await;
            }
        })
    },
};
