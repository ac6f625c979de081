//! Packets with 200 pipelined HEAD requests of a list.

use crate::attack::Attack;
use crate::wire::hold;
use std::time::Duration;
use tokio::time::{Instant, sleep};

pub(super) const ATTACK: Attack = Attack {
    name: "pipelined_heads",
    is_quick: true,
    edges: 10_000,
    run: |target, duration| {
        Box::pin(async move {
            let bytes = "HEAD /api/v1/edges HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(200);
            let end = Instant::now() + duration;
            while Instant::now() < end {
                let _held = hold(target.http, bytes.as_bytes(), 4).await;
                sleep(Duration::from_millis(200)).await;
            }
        })
    },
};
